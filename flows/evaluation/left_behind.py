"""What the confined process left, which is as foreign as what it was given, made fit for use."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from flows.evaluation.job import Limits, SliceRun, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.sandbox import Answer, open_foreign, plain
from governance.suites.conclusions import Measured
from governance.suites.definition import computed_metrics, is_computed

OUTCOMES = "outcomes.parquet"
FAMILIES = ("bias", "robustness", "safety", "performance")
OUTCOME_NAMES = frozenset({"passed", "failed", "error", "insufficient_evidence"})
MOST_BINS = 100
MOST_FIGURES = 5_000  # of one family, and slices


class _UnusableError(Exception):
    pass


def checked_run(answer: Answer, job: SuiteJob, limits: Limits, scratch: Path) -> SuiteRun | SuiteFailure:
    """What the confined process left, if it is what an honest one leaves."""
    try:
        return _run(answer, job, limits, scratch)
    except _UnusableError:
        return SuiteFailure("The evaluation left a result that cannot be used.", "crash")


def _run(answer: Answer, job: SuiteJob, limits: Limits, scratch: Path) -> SuiteRun:
    value = answer.value
    n = value.get("n")
    if type(n) is not int or not 0 <= n <= limits.rows or (n == 0 and job.metrics):
        raise _UnusableError
    values = _numbers(value.get("metrics"))
    if set(values) != set(job.metrics):
        raise _UnusableError
    pairs = _pairs(value.get("intervals"), values)
    families = {
        family: {name: _figure(one) for name, one in _members(figures, MOST_FIGURES).items()}
        for family, figures in _members(value.get("families", {}), len(FAMILIES)).items()
    }
    computed = computed_metrics((), job.definition)
    unavailable = _members(value.get("unavailable", {}), MOST_FIGURES)
    if set(families) - set(FAMILIES) or not all(
        is_computed(name, computed) for name in [*unavailable, *(name for f in families.values() for name in f)]
    ):
        raise _UnusableError
    slices = {name: _slice(one, job) for name, one in _members(value.get("slices", {}), MOST_FIGURES).items()}
    if any(name.partition("=")[0] not in job.definition.get("slices", ()) for name in slices):
        raise _UnusableError
    path = scratch / OUTCOMES
    try:
        with open(open_foreign(path, limits.written), "rb") as file:
            if file.read(4) != b"PAR1":
                raise _UnusableError
    except OSError:
        raise _UnusableError from None
    return SuiteRun(
        metrics={name: values[name] for name in job.metrics},
        n=n,
        outcomes_path=path,
        intervals={name: pairs[name] for name in job.metrics if name in pairs},
        seconds=answer.seconds,
        families=families,
        unavailable={name: plain(str(why), 500) for name, why in unavailable.items()},
        slices=slices,
        calibration=_calibration(value.get("calibration", [])),
        cases=_cases(value.get("cases", []), job),
    )


def _members(value: Any, most: int) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > most or any(len(name) > 1000 for name in value):
        raise _UnusableError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _UnusableError
    return float(value)


def _numbers(value: Any) -> dict[str, float]:
    return {name: _number(one) for name, one in _members(value, MOST_FIGURES).items()}


def _pairs(value: Any, known: Collection[str]) -> dict[str, tuple[float, float]]:
    found = {}
    for name, pair in _members(value, MOST_FIGURES).items():
        if name not in known or not isinstance(pair, list) or len(pair) != 2:
            raise _UnusableError
        found[name] = (_number(pair[0]), _number(pair[1]))
    return found


def _figure(value: Any) -> Measured:
    if not isinstance(value, list) or len(value) != 4:
        raise _UnusableError
    figure, low, high, n = value
    if (low is None) != (high is None) or not (n is None or (type(n) is int and n >= 0)):
        raise _UnusableError
    if low is None:
        return Measured(_number(figure), None, None, n)
    return Measured(_number(figure), _number(low), _number(high), n)


def _calibration(value: Any) -> tuple[tuple[float, float, int], ...]:
    if not isinstance(value, list) or len(value) > MOST_BINS:
        raise _UnusableError
    found = []
    for one in value:
        if not isinstance(one, list) or len(one) != 3 or type(one[2]) is not int or one[2] < 1:
            raise _UnusableError
        confidence, share = _number(one[0]), _number(one[1])
        if not (0 <= confidence <= 1 + 1e-9 and 0 <= share <= 1 + 1e-9):
            raise _UnusableError
        found.append((confidence, share, one[2]))
    return tuple(found)


def _slice(value: Any, job: SuiteJob) -> SliceRun:
    found = _members(value, 3)
    values = _numbers(found.get("metrics"))
    n = found.get("n")
    if type(n) is not int or n < 1 or set(values) - set(job.metrics):
        raise _UnusableError
    return SliceRun(n, values, _pairs(found.get("intervals"), values))


def _cases(value: Any, job: SuiteJob) -> tuple[Mapping[str, str], ...]:
    if not isinstance(value, list) or len(value) != len(job.cases):
        raise _UnusableError
    found = []
    for case, one in zip(job.cases, value, strict=True):
        told = _members(one, 3)
        if told.get("id") != case["id"] or told.get("outcome") not in OUTCOME_NAMES:
            raise _UnusableError
        found.append({"id": case["id"], "outcome": told["outcome"], "reason": plain(str(told.get("reason", "")), 500)})
    return tuple(found)
