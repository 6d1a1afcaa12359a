"""What a measured figure says about a threshold: that it holds, that it does not, or that nobody can tell.

The rule, in this order:

1. No figure: `insufficient_evidence`, or `error` when the model would not answer.
2. With a margin m the interval's bound decides (the margin form of notes/regression.md, section 3): `min: t` has passed
   when the lower bound is at least t - m, and has failed when the upper bound is below it; `max: t` likewise with
   t + m. Anything else, and fewer examples than `minimum`, is `insufficient_evidence`.
3. Without a margin the figure itself has to be within the limits. With fewer examples than `minimum` a figure decides
   nothing unless its whole interval is beyond a limit, which is `failed`. With enough of them a figure that is within
   is still `insufficient_evidence` when the suite states the precision that it wants, the interval's half-width is
   more than that, and the interval reaches beyond a limit.

A figure that is no sample (probes that were all made; `n` None) is decided by itself alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Outcome = Literal["passed", "failed", "error", "insufficient_evidence"]

MINIMUM_EXAMPLES = 30  # below this the intervals of means and shares are not what they say (see governance.statistics)
_Z = 1.959963984540054  # of the two-sided 95 % intervals that are handed in
_DETECTING = 1.6448536269514722 + 0.8416212335729143  # one-sided 5 %, power 0.8


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its 95 % interval, where it has one. n: examples behind it, None for what is no sample."""

    value: float
    low: float | None
    high: float | None
    n: int | None

    @property
    def half_width(self) -> float | None:
        return (self.high - self.low) / 2 if self.low is not None and self.high is not None else None

    @property
    def minimum_detectable_effect(self) -> float | None:
        """How far the true value must be from a fixed one for this many examples to show it, in the metric's unit.

        With power 0.8 by a one-sided test at 5 %; the standard error is taken from the interval's half-width.
        """
        return None if self.half_width is None else _DETECTING * self.half_width / _Z


@dataclass(frozen=True, slots=True)
class TestResult:
    """One case or one threshold. id: of a case its own, of a threshold "<suite name>.<metric>", with "[<slice>]"
    behind it for one slice. reason: a sentence for people, "" for what has passed."""

    __test__: ClassVar[bool] = False  # not a class of pytest's

    id: str
    title: str
    outcome: Outcome
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "outcome": self.outcome, "reason": self.reason}


def conclude(
    metric: str,
    limits: Mapping[str, float],
    measured: Measured | None,
    *,
    margin: float | None = None,
    precision: float | None = None,
    minimum: int = MINIMUM_EXAMPLES,
) -> tuple[Outcome, str]:
    """(outcome, why not passed or ""). limits: min, max or both; precision: the half-width that the suite asks for."""
    if measured is None or not math.isfinite(measured.value):
        return "insufficient_evidence", f"{metric} has no finite value and its threshold needs one"
    slack = margin or 0.0
    beyond = _beyond(metric, limits, measured.value)
    if measured.n is None:
        return ("failed", beyond) if beyond else ("passed", "")
    low, high = measured.low, measured.high
    refuted = low is not None and high is not None and _refuted(limits, low, high, slack)
    if refuted:
        return "failed", beyond or f"{metric} is {measured.value:.4g}, beyond its threshold and margin"
    if measured.n < minimum:
        told = f"{metric} is {measured.value:.4g} on {measured.n} examples, too few to say (at least {minimum})"
        return "insufficient_evidence", told
    if margin is not None:
        if low is None or high is None:
            return "insufficient_evidence", f"{metric} has no interval, which its margin is judged by"
        if _within(limits, low, high, slack):
            return "passed", ""
        return "insufficient_evidence", _straddles(metric, measured, limits, slack)
    if beyond:
        return "failed", beyond
    if precision is not None:
        if measured.half_width is None or low is None or high is None:
            return "insufficient_evidence", f"{metric} has no interval, and a precision of {precision:g} is asked for"
        if measured.half_width > precision and not _within(limits, low, high, 0.0):
            told = f"{_straddles(metric, measured, limits, 0.0)}; a precision of {precision:g} is asked for"
            return "insufficient_evidence", told
    return "passed", ""


def _beyond(metric: str, limits: Mapping[str, float], value: float) -> str:
    if "min" in limits and not value >= limits["min"]:
        return f"{metric} is {value:.4g}, below the threshold {limits['min']:g}"
    if "max" in limits and not value <= limits["max"]:
        return f"{metric} is {value:.4g}, above the threshold {limits['max']:g}"
    return ""


def _within(limits: Mapping[str, float], low: float, high: float, slack: float) -> bool:
    return low >= limits.get("min", -math.inf) - slack and high <= limits.get("max", math.inf) + slack


def _refuted(limits: Mapping[str, float], low: float, high: float, slack: float) -> bool:
    return high < limits.get("min", -math.inf) - slack or low > limits.get("max", math.inf) + slack


def _straddles(metric: str, measured: Measured, limits: Mapping[str, float], slack: float) -> str:
    told = " and ".join(f"{name} {limit:g}" for name, limit in sorted(limits.items()))
    with_margin = f" (margin {slack:g})" if slack else ""
    return (
        f"{metric} is {measured.value:.4g}, its 95 % interval {measured.low:.4g} to {measured.high:.4g} on "
        f"{measured.n} examples reaches beyond the threshold {told}{with_margin}: too little evidence to say"
    )
