"""The promises of the night's judgement, on fleets whose truth is known (tests/benchmarks): full size under `prove`.

Each test also holds a fixed threshold or a naive test against the same nights. It fails there, which shows that these
fleets tell a good judgement from a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pytest

from governance.regression import arrays, detector
from governance.regression.rows import Rows
from tests.benchmarks import latencies, rivals
from tests.benchmarks.fleets import EIGHT_PERCENT, Fleet
from tests.benchmarks.nights import OURS, Severities, course, healthy, single
from tests.benchmarks.regression import disagreements
from tests.benchmarks.rivals import Rival

SIZES = (500, 5_000, 50_000)
NOBODY: Mapping[str, Rival] = MappingProxyType({})

full = pytest.mark.prove


def nothing() -> None:
    """A step of a progress that nobody watches."""


@pytest.mark.parametrize(("models", "nights"), [(1_000, 10), pytest.param(10_000, 40, marks=full)])
def test_a_healthy_fleet_is_left_alone(models: int, nights: int) -> None:
    found = healthy(Fleet(1, models, SIZES), nights, rivals.OVERALL, nothing)
    assert found[OURS].healthy == models * nights
    assert found[OURS].per_thousand <= 0.5
    assert 120 <= found["fixed 1 %, stored figure"].per_thousand <= 190
    assert 45 <= found["naive McNemar, .05"].per_thousand <= 55


@pytest.mark.parametrize(("models", "fleets"), [(5_000, 4), pytest.param(10_000, 10, marks=full)])
def test_two_points_are_found_at_five_thousand_examples(models: int, fleets: int) -> None:
    found = single(2, 5_000, 0.02, rivals.OVERALL, fleets=fleets, models=models)
    assert found[OURS].power >= 0.93
    assert found[OURS].false / (found[OURS].false + found[OURS].found) <= 0.07
    assert found["ours, aggregate evidence"].power < 0.5 < 0.9 < found["fixed 1 %, stored figure"].power
    assert found["fixed 5 %, same examples"].power < 0.1


@pytest.mark.parametrize("models", [2_500, pytest.param(10_000, marks=full)])
def test_a_slow_drift_of_two_points_is_found_in_nine_nights(models: int) -> None:
    found = course(3, 0.02, 14, {"overall only": rivals.ours_overall_only}, nothing, models=models, fleets=2)
    ours, forgetful = found[OURS], found["overall only"]
    assert ours.power == 1.0
    assert ours.delay is not None
    assert ours.delay <= 9
    assert forgetful.delay is None or forgetful.delay > ours.delay  # without a memory from night to night


@pytest.mark.parametrize(("models", "fleets"), [(5_000, 8), pytest.param(10_000, 20, marks=full)])
def test_a_slice_of_eight_percent_that_loses_ten_points_is_found(models: int, fleets: int) -> None:
    found = single(4, 5_000, 0.10, rivals.SLICED, fleets=fleets, models=models, part=EIGHT_PERCENT)
    assert found[OURS].power >= 0.95
    assert found["ours, overall only"].power < 0.3
    assert found["any slice p < .05"].per_thousand > 200


@pytest.mark.parametrize(("models", "fleets"), [(2_500, 1), pytest.param(10_000, 10, marks=full)])
def test_severity_is_hardly_ever_overstated(models: int, fleets: int) -> None:
    severities = Severities()
    for drop in (0.009, 0.02, 0.027, 0.05):
        for size in (5_000, 50_000):
            single(5, size, drop, NOBODY, fleets=fleets, models=models, severities=severities)
    single(5, 5_000, 0.10, NOBODY, fleets=fleets, models=models, part=EIGHT_PERCENT, severities=severities)
    assert severities.found > 200
    assert severities.share("bound") <= 0.005
    assert severities.share("bound") < severities.share("point")
    assert severities.given[0.05]["high"] > severities.given[0.05]["low"]


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=full)])
def test_latency_steps_are_found_and_spikes_are_not(count: int) -> None:
    assert latencies.false_episodes(latencies.ours, 6, count) <= 0.75
    assert latencies.false_episodes(latencies.fixed(0.05), 6, 20) > 50
    step = latencies.steps_found(latencies.ours, 7, count // 2, 0.20)
    assert step.power >= 0.95
    assert step.delay <= 6


@pytest.mark.parametrize("models", [400, pytest.param(10_000, marks=full)])
def test_the_tables_are_made_with_what_the_platform_runs(models: int) -> None:
    """`judge_night` says the same of every model as the arrays under it."""
    fleet = Fleet(8, models, (5_000,), damaged=0.05)
    assert disagreements(fleet, fleet.night(0.02)) == 0
    assert disagreements(fleet, fleet.night(0.10, EIGHT_PERCENT)) == 0


def test_the_fleets_are_what_they_say() -> None:
    fleet = Fleet(9, 4_000, (5_000,), damaged=0.5)
    night = fleet.night(0.02)
    b, c, n = night.whole()
    drop = (b - c) / n
    assert drop[:2_000].mean() == pytest.approx(0.02, abs=5e-4)
    assert drop[2_000:].mean() == pytest.approx(0.0, abs=5e-4)
    assert ((b + c) / n)[2_000:].mean() == pytest.approx(fleet.churn[2_000:].mean(), abs=5e-4)
    assert np.array_equal(night.baseline_right - night.right, b - c)
    sliced = fleet.night(0.10, EIGHT_PERCENT)
    assert ((sliced.b - sliced.c) / sliced.n)[:2_000].mean(axis=0).round(2).tolist() == [0, 0, 0, 0, 0.1, 0, 0, 0]


def test_a_judgement_without_correction_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """These promises are worth something: each is broken when its part of the judgement is taken out."""
    monkeypatch.setattr(arrays, "benjamini_hochberg", lambda p: p)
    assert healthy(Fleet(1, 5_000, SIZES), 2, NOBODY, nothing)[OURS].per_thousand > 0.5


def test_a_judgement_without_slices_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rows, "testable", lambda rows, _: np.zeros(rows.size, dtype=np.bool_))
    assert single(4, 5_000, 0.10, NOBODY, fleets=1, models=5_000, part=EIGHT_PERCENT)[OURS].power < 0.3


def test_a_judgement_without_memory_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "advanced", lambda evidence, *_: np.zeros_like(evidence))
    delay = course(3, 0.02, 14, NOBODY, nothing, models=1_000)[OURS].delay
    assert delay is None or delay > 9


def test_a_severity_that_ignores_the_bound_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "coverage_level", lambda *_: 0.0)  # the bound is the estimate
    severities = Severities()
    for drop in (0.009, 0.027):
        for size in (5_000, 50_000):
            single(5, size, drop, NOBODY, fleets=1, models=5_000, severities=severities)
    assert severities.share("bound") > 0.01
