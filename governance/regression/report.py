"""Stand-in for the report of regressions, with its names: counts and rates, no trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RECENT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class NightOutcome:
    at: datetime
    evaluated: bool
    regressed: bool
    severity: str
    value: float | None


@dataclass(frozen=True, slots=True)
class RegressionReport:
    total_validation_runs: int
    runs_with_regression: int
    regression_rate: float
    recent_regression_rate: float
    trend: str
    last_validation: datetime | None
    severity_breakdown: dict[str, int]
    regression_rate_interval: tuple[float, float] | None


def regression_report(outcomes: Sequence[NightOutcome], at: datetime, days: int) -> RegressionReport:
    within = [one for one in outcomes if one.at >= at - timedelta(days=days)]
    recent = [one for one in outcomes if one.at >= at - RECENT]
    worse = [one for one in within if one.regressed]
    return RegressionReport(
        len(within),
        len(worse),
        _rate(within),
        _rate(recent),
        "stable",
        max((one.at for one in outcomes), default=None),
        {name: sum(one.severity == name for one in worse) for name in ("high", "medium", "low")},
        None,
    )


def _rate(outcomes: Sequence[NightOutcome]) -> float:
    evaluated = [one for one in outcomes if one.evaluated]
    return sum(one.regressed for one in evaluated) / len(evaluated) if evaluated else 0.0
