"""The rules of health, each at its edge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from governance.monitoring.health import judged, p95_objective, wilson
from governance.monitoring.points import Tally, tallied

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def hour(successes: int, failures: int, *, slow: int = 0, timing: float = 100.0, slow_ms: float = 1_000.0) -> Tally:
    points: list[dict[str, Any]] = [{"timing_ms": timing}] * (successes - slow) + [{"timing_ms": slow_ms}] * slow
    points += [{"timing_ms": timing, "success": False, "error": "model_error"}] * failures
    (tally,) = tallied(points, AT).values()
    return tally


@pytest.mark.parametrize(
    ("successes", "failures", "expected"),
    [
        (44, 2, "unknown"),  # 95.7 %, but anything from 85 % on is possible
        (4415, 174, "healthy"),  # the documented example: 96.22 %
        (1000, 0, "healthy"),
        (20, 0, "unknown"),
        (40, 0, "healthy"),
        (950, 50, "healthy"),
        (930, 70, "degraded"),
        (910, 90, "degraded"),
        (870, 130, "unhealthy"),
        (1, 9, "unhealthy"),
        (0, 3, "unhealthy"),
        (0, 1, "unhealthy"),
    ],
)
def test_success_rates(successes: int, failures: int, expected: str) -> None:
    health = judged(hour(successes, failures), None)
    assert health.status == expected, health
    assert len(health.reasons) == 1
    assert f"{successes:,} of {successes + failures:,}" in health.reasons[0]


def test_without_inferences_nothing_is_known() -> None:
    health = judged(Tally(), 100.0)
    assert (health.status, health.reasons) == ("unknown", ("No inference was recorded within the last hour.",))


@pytest.mark.parametrize(
    ("slow", "slow_ms", "objective", "expected"),
    [
        (100, 1_000.0, None, "healthy"),
        (100, 1_000.0, 1_200.0, "healthy"),
        (100, 1_000.0, 800.0, "degraded"),
        (100, 1_000.0, 300.0, "unhealthy"),
        (50, 1_000.0, 300.0, "healthy"),  # exactly 5 % are slower
        (62, 1_000.0, 300.0, "healthy"),  # and so many may be by chance
        (70, 1_000.0, 300.0, "unhealthy"),
    ],
)
def test_timings_against_the_objective(slow: int, slow_ms: float, objective: float | None, expected: str) -> None:
    health = judged(hour(1_000, 0, slow=slow, slow_ms=slow_ms), objective)
    assert health.status == expected, health
    if expected != "healthy":
        assert "objective" in health.reasons[0]


def test_the_worst_rule_decides_and_all_are_told() -> None:
    health = judged(hour(930, 70, slow=300, slow_ms=5_000.0), 1_000.0)
    assert health.status == "unhealthy"
    assert len(health.reasons) == 2


def test_the_interval_is_wilsons() -> None:
    """Values of Newcombe (Statistics in Medicine 1998), table I, method 3."""
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)
    assert wilson(29, 29)[1] == 1.0


@pytest.mark.parametrize(
    ("metadata", "objective"),
    [
        ({"serving": {"p95Ms": 250}}, 250.0),
        ({"serving": {"p95Ms": 0.5}}, 0.5),
        ({"serving": {"p95Ms": "250"}}, None),
        ({"serving": {"p95Ms": True}}, None),
        ({"serving": {"p95Ms": 0}}, None),
        ({"serving": []}, None),
        ({}, None),
    ],
)
def test_the_objective_is_a_number_of_the_versions_metadata(metadata: dict[str, Any], objective: float | None) -> None:
    assert p95_objective(metadata) == objective
