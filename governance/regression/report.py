"""What the nights of one model come to: how often it regressed, how badly, and where its score is going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from governance.canonical import rendered

Trend = Literal["improving", "stable", "degrading"]

RECENT = timedelta(days=14)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NightOutcome:
    """evaluated: False where the evidence was insufficient or the night failed. value: the score, larger is better."""

    at: datetime
    evaluated: bool
    regressed: bool
    severity: str
    value: float | None


@dataclass(frozen=True, slots=True)
class RegressionReport:
    """total_validation_runs: of the period; evaluated_runs: those that could decide.

    regression_rate: regressed / evaluated_runs, with Wilson's 95 % interval; 0 with (0, 1) where none could decide.
    recent_regression_rate: the same of the last 14 nights, whatever the period.
    trend: the sign of Theil and Sen's slope of the score where its 95 % interval excludes 0, else stable;
    slope: score a day, None with fewer than six scores.
    severity_breakdown: of the regressed runs.
    """

    days: int
    total_validation_runs: int
    evaluated_runs: int
    runs_with_regression: int
    regression_rate: float
    regression_rate_low: float
    regression_rate_high: float
    recent_regression_rate: float
    trend: Trend
    slope: float | None
    last_validation: datetime | None
    severity_breakdown: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        last = self.last_validation
        return {**asdict(self), "last_validation": None if last is None else rendered(last)}


def regression_report(outcomes: Sequence[NightOutcome], at: datetime, days: int) -> RegressionReport:
    """The report of the `days` before `at`; outcomes in any order, later and earlier ones are left out.

    For `recent_regression_rate` hand in at least the last 14 nights. Raises ValueError for days below 1.
    """
    from governance.statistics.proportions import wilson  # scipy is not for whoever only imports the report

    if days < 1:
        raise ValueError(f"days must be at least 1, not {days}")
    period = _since(outcomes, at, timedelta(days=days))
    evaluated = [one for one in period if one.evaluated]
    regressed = [one for one in evaluated if one.regressed]
    low, high = wilson(len(regressed), len(evaluated))
    trend, slope = _trend(period)
    return RegressionReport(
        days=days,
        total_validation_runs=len(period),
        evaluated_runs=len(evaluated),
        runs_with_regression=len(regressed),
        regression_rate=_rate(evaluated),
        regression_rate_low=float(low),
        regression_rate_high=float(high),
        recent_regression_rate=_rate([one for one in _since(outcomes, at, RECENT) if one.evaluated]),
        trend=trend,
        slope=slope,
        last_validation=max((one.at for one in outcomes if one.at <= at), default=None),
        severity_breakdown={
            severity: sum(one.severity == severity for one in regressed) for severity in ("high", "medium", "low")
        },
    )


def _since(outcomes: Sequence[NightOutcome], at: datetime, span: timedelta) -> list[NightOutcome]:
    return sorted((one for one in outcomes if at - span < one.at <= at), key=lambda one: one.at)


def _rate(evaluated: Sequence[NightOutcome]) -> float:
    return sum(one.regressed for one in evaluated) / len(evaluated) if evaluated else 0.0


def _trend(period: Sequence[NightOutcome]) -> tuple[Trend, float | None]:
    from governance.statistics.trends import theil_sen

    scored = [(one.at, one.value) for one in period if one.value is not None]
    if not scored:
        return "stable", None
    times = [(when - scored[0][0]) / _DAY for when, _ in scored]
    found = theil_sen([value for _, value in scored], times)
    if found is None:
        return "stable", None
    slope, low, high = found
    if low > 0:
        return "improving", slope
    return ("degrading" if high < 0 else "stable"), slope
