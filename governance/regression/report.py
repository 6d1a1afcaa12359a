"""Stand-in for the report of regressions, with its names: counts and rates, no trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from governance.canonical import rendered

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
    days: int
    total_validation_runs: int
    evaluated_runs: int
    runs_with_regression: int
    regression_rate: float
    regression_rate_low: float
    regression_rate_high: float
    recent_regression_rate: float
    trend: str
    slope: float | None
    last_validation: datetime | None
    severity_breakdown: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        last = self.last_validation
        return {**asdict(self), "last_validation": None if last is None else rendered(last)}


def regression_report(outcomes: Sequence[NightOutcome], at: datetime, days: int) -> RegressionReport:
    within = [one for one in outcomes if one.at > at - timedelta(days=days)]
    recent = [one for one in outcomes if one.at > at - RECENT]
    evaluated = [one for one in within if one.evaluated]
    worse = [one for one in evaluated if one.regressed]
    return RegressionReport(
        days,
        len(within),
        len(evaluated),
        len(worse),
        _rate(within),
        0.0,
        1.0,
        _rate(recent),
        "stable",
        None,
        max((one.at for one in outcomes), default=None),
        {name: sum(one.severity == name for one in worse) for name in ("high", "medium", "low")},
    )


def _rate(outcomes: Sequence[NightOutcome]) -> float:
    evaluated = [one for one in outcomes if one.evaluated]
    return sum(one.regressed for one in evaluated) / len(evaluated) if evaluated else 0.0
