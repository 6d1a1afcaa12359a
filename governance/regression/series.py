"""Has latency, cost or another series without pairs risen since the pin?

All on the logarithm, where 0.10 is a growth by about 10 %. The first nights after the pin are the reference: median m,
s = 1.4826·MAD, widened by √((1 + r) / (1 - r)) for a correlation r of neighbouring nights (between 0 and 0.8). Each
later night's score is clip((x - m - tolerated) / s, ±3) - allowance, gathered as `detector` does; the alarm also needs
the median of the last nights to have grown by `least`, so single bad nights do not count. After an alarm the detector
begins again once that median is back.

Larger is worse. For a series where smaller is worse (throughput) hand in the reciprocal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from governance.regression.detector import advanced, alarming
from governance.regression.measurements import Severity
from governance.regression.settings import DEFAULT_SERIES, SeriesSettings

MAD_TO_SD = 1.4826  # of a normal distribution
MOST_CORRELATED = 0.8


@dataclass(frozen=True, slots=True)
class SeriesState:
    """reference: logarithms of the nights after the pin, until there are enough; empty afterwards.

    centre, spread: what they came to, None before. evidence: one value for each rate.
    last: logarithms of the last nights.
    """

    reference: tuple[float, ...]
    centre: float | None
    spread: float | None
    evidence: tuple[float, ...]
    last: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SeriesState:
        fields: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class SeriesJudgement:
    """change: logarithm of the ratio of the last nights' median to the reference's; 0 while that is being gathered."""

    alarm: bool
    change: float
    severity: Severity
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SeriesJudgement:
        return cls(**value)


def advance_series(
    state: SeriesState | None, value: float, settings: SeriesSettings = DEFAULT_SERIES
) -> tuple[SeriesState, SeriesJudgement]:
    """The state after a night with this value, and what it says. state: None right after the pin.

    Raises ValueError for a value that is not positive and finite.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a series value must be positive and finite, not {value}")
    known = state or SeriesState((), None, None, (0.0,) * len(settings.rates), ())
    x = math.log(value)
    last = (*known.last, x)[-settings.last :]
    if known.centre is None or known.spread is None:
        return _gathering(known, x, last, settings)
    score = (x - known.centre - settings.tolerated) / known.spread
    score = min(settings.clip, max(-settings.clip, score)) - settings.allowance
    evidence = advanced(np.array(known.evidence), score, settings.rates, settings.arl)
    change = statistics.median(last) - known.centre
    over = bool(alarming(evidence, settings.arl))
    if over and change <= 0:
        evidence, over = np.zeros_like(evidence), False
    alarm = over and change >= _grown(settings.least)
    after = SeriesState((), known.centre, known.spread, tuple(evidence.tolist()), last)
    return after, SeriesJudgement(
        alarm, change, _severity(alarm, change, settings), _reason(alarm, over, change, settings)
    )


def _gathering(
    known: SeriesState, x: float, last: tuple[float, ...], settings: SeriesSettings
) -> tuple[SeriesState, SeriesJudgement]:
    reference = (*known.reference, x)
    reason = f"{len(reference)} of {settings.reference} nights of the reference are known."
    judgement = SeriesJudgement(False, 0.0, "none", reason)
    if len(reference) < settings.reference:
        return SeriesState(reference, None, None, known.evidence, last), judgement
    centre, spread = _usual(reference, settings)
    return SeriesState((), centre, spread, known.evidence, last), judgement


def _usual(reference: Sequence[float], settings: SeriesSettings) -> tuple[float, float]:
    """Median and effective spread.

    The correlation is that of values limited to the centre ± 3 s: a single spike would otherwise hide it.
    """
    values = np.asarray(reference)
    centre = float(np.median(values))
    spread = max(settings.steadiest, MAD_TO_SD * float(np.median(np.abs(values - centre))))
    off = np.clip(values - centre, -settings.clip * spread, settings.clip * spread)
    off -= off.mean()
    whole = float(off @ off)
    r = float(off[1:] @ off[:-1]) / whole if whole > 0 else 0.0
    r = min(MOST_CORRELATED, max(0.0, r))
    return centre, spread * math.sqrt((1 + r) / (1 - r))


def _grown(share: float) -> float:
    """The logarithm of a growth by this share."""
    return math.log1p(share)


def _severity(alarm: bool, change: float, settings: SeriesSettings) -> Severity:
    if not alarm:
        return "none"
    if change >= _grown(settings.high):
        return "high"
    return "medium" if change >= _grown(settings.medium) else "low"


def _reason(alarm: bool, over: bool, change: float, settings: SeriesSettings) -> str:
    grown = f"The median of the last {settings.last} nights is {math.expm1(change):+.1%} off the reference"
    if alarm:
        return f"{grown}, and this has lasted too long to be chance."
    if over:
        return f"{grown}: a lasting growth, but below {settings.least:.0%}."
    return f"{grown}, which chance explains."
