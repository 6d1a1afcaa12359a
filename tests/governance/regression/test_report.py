"""What a model's nights come to."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from scipy import stats

from governance.regression.report import NightOutcome, regression_report

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def night(ago: int, *, evaluated: bool = True, severity: str = "none", value: float | None = 0.9) -> NightOutcome:
    return NightOutcome(AT - timedelta(days=ago), evaluated, severity != "none", severity, value)


def test_rates_count_the_nights_that_could_decide() -> None:
    outcomes = [night(ago) for ago in range(20)]
    outcomes += [night(20, severity="high"), night(21, severity="low"), night(3, severity="medium")]
    outcomes += [night(ago, evaluated=False) for ago in (1, 5, 22)]
    report = regression_report(outcomes, AT, 30)
    assert (report.total_validation_runs, report.evaluated_runs, report.runs_with_regression) == (26, 23, 3)
    assert report.regression_rate == pytest.approx(3 / 23)
    expected = stats.binomtest(3, 23).proportion_ci(0.95, method="wilson")
    assert (report.regression_rate_low, report.regression_rate_high) == pytest.approx((expected.low, expected.high))
    assert report.recent_regression_rate == pytest.approx(1 / 15)
    assert report.severity_breakdown == {"high": 1, "medium": 1, "low": 1}
    assert report.last_validation == AT


def test_the_period_ends_what_is_counted_but_not_what_is_recent() -> None:
    outcomes = [night(ago, severity="low" if ago == 10 else "none") for ago in range(20)]
    report = regression_report(outcomes, AT, 7)
    assert (report.total_validation_runs, report.runs_with_regression) == (7, 0)
    assert report.recent_regression_rate == pytest.approx(1 / 14)


def test_what_comes_later_is_left_out() -> None:
    report = regression_report([night(-1, severity="high"), night(2)], AT, 7)
    assert (report.total_validation_runs, report.runs_with_regression) == (1, 0)
    assert report.last_validation == AT - timedelta(days=2)


@pytest.mark.parametrize(("slope", "trend"), [(0.002, "improving"), (-0.002, "degrading"), (0.0, "stable")])
def test_the_trend_is_the_sign_of_a_slope_that_is_certain(slope: float, trend: str) -> None:
    wobble = [0.001, -0.002, 0.0015, -0.0005, 0.0, 0.002, -0.001]
    outcomes = [night(ago, value=0.9 - slope * ago + wobble[ago % 7]) for ago in range(28)]
    assert regression_report(outcomes, AT, 30).trend == trend


def test_few_scores_have_no_trend() -> None:
    report = regression_report([night(ago, value=0.5 + ago / 10) for ago in range(5)], AT, 30)
    assert (report.trend, report.slope) == ("stable", None)
    assert regression_report([night(ago, value=None) for ago in range(9)], AT, 30).trend == "stable"


def test_no_nights_are_no_regressions_and_no_certainty() -> None:
    report = regression_report([], AT, 7)
    assert (report.regression_rate, report.regression_rate_low, report.regression_rate_high) == (0.0, 0.0, 1.0)
    assert report.last_validation is None
    assert json.loads(json.dumps(report.to_json()))["trend"] == "stable"
    with pytest.raises(ValueError, match="at least 1"):
        regression_report([], AT, 0)


def test_importing_the_report_imports_no_scipy() -> None:
    program = "import sys, governance.regression.report; sys.exit('scipy' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
