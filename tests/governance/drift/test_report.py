"""What is said about a version: alarms that are rare without drift, sure with it, and none for lack of rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from governance.drift.judging import drift_between, severity_of
from governance.drift.report import DriftReference, DriftReport, LiveCounts
from governance.drift.sketches import CategoricalSketch, Sketch, categorical_sketch, numeric_sketch
from tests.fixtures.registry import NOON

FEATURES = 20


def reference_of(*sketches: Sketch) -> DriftReference:
    return DriftReference("v", "s", "d" * 64, None, sketches, 0, NOON)


def numbers(random: np.random.Generator, n: int, features: int = FEATURES) -> list[NDArray[np.float64]]:
    """Columns of different shapes: normal, skewed, few values, mostly zero."""
    makers: list[Callable[[], NDArray[np.float64]]] = [
        lambda: random.normal(size=n),
        lambda: random.lognormal(size=n),
        lambda: random.integers(0, 5, size=n).astype(np.float64),
        lambda: np.where(random.random(n) < 0.8, 0.0, random.exponential(size=n)),
    ]
    return [makers[number % len(makers)]() for number in range(features)]


def pinned(columns: list[NDArray[np.float64]]) -> DriftReference:
    sketches = [numeric_sketch(f"f{number:02}", values) for number, values in enumerate(columns)]
    return reference_of(*[one for one in sketches if one is not None])


def against(reference: DriftReference, columns: list[NDArray[np.float64]]) -> DriftReport:
    counts = {}
    for position, values in enumerate(columns):
        sketch = reference.sketches[position]
        assert not isinstance(sketch, CategoricalSketch)
        counts[position] = sketch.count_array(values)
    return drift_between(reference, LiveCounts(counts, len(columns[0])), NOON, NOON + timedelta(days=7))


@pytest.mark.parametrize(
    ("rows", "versions"),
    [(200, 40), (1_000, 20), *(pytest.param(rows, 200, marks=pytest.mark.prove) for rows in (200, 500, 5_000))],
)
def test_without_drift_alarms_are_rare(rows: int, versions: int) -> None:
    """Of 200 versions of 20 features each, at most four are called drifted by mistake; with more rows, one."""
    random = np.random.default_rng(rows)
    reference = pinned(numbers(random, 20_000))
    alarms = [against(reference, numbers(random, rows)).verdict == "drift" for _ in range(versions)]
    assert sum(alarms) <= (4 if rows == 200 and versions == 200 else 1)


def test_a_million_rows_and_a_shift_of_no_consequence_raise_no_alarm() -> None:
    random = np.random.default_rng(1)
    reference = pinned(numbers(random, 100_000, 1))
    report = against(reference, [random.normal(0.05, size=1_000_000)])
    [one] = report.features
    assert one.q is not None
    assert one.q < 1e-6  # real, and seen
    assert (one.verdict, one.severity, report.verdict) == ("stable", "none", "stable")


@pytest.mark.parametrize(("shift", "severity"), [(0.4, "moderate"), (1.0, "severe")])
def test_the_feature_that_shifted_is_found_and_no_other(shift: float, severity: str) -> None:
    random = np.random.default_rng(2)
    reference = pinned(numbers(random, 20_000))
    live = numbers(random, 5000)
    live[4] = live[4] + shift
    report = against(reference, live)
    assert [one.feature for one in report.drifted] == ["f04"]
    assert report.features[0].feature == "f04"  # and it comes first
    assert (report.verdict, report.severity) == ("drift", severity)
    assert "'f04'" in report.sentence()


def test_what_begins_to_be_missing_has_drifted() -> None:
    random = np.random.default_rng(3)
    reference = pinned([random.normal(size=5000)])
    live = random.normal(size=2000)
    live[:400] = np.nan
    [one] = against(reference, [live]).features
    assert one.verdict == "drift"
    assert one.missing_live == 0.2
    assert one.missing_reference == 0


def test_a_new_category_has_drifted() -> None:
    sketch = categorical_sketch("region", {"north": 600, "south": 400})
    live = sketch.count(["north"] * 500 + ["south"] * 300 + ["moon"] * 200)
    report = drift_between(reference_of(sketch), LiveCounts({0: live}, 1000), NOON, NOON + timedelta(days=1))
    assert report.verdict == "drift"
    assert report.features[0].ks is None
    assert report.features[0].wasserstein is None


def test_with_few_rows_nothing_is_said() -> None:
    random = np.random.default_rng(4)
    reference = pinned(numbers(random, 5000, 3))
    report = against(reference, [values + 100 for values in numbers(random, 199, 3)])
    assert report.verdict == "insufficient_evidence"
    assert {one.verdict for one in report.features} == {"insufficient_evidence"}
    assert all(one.psi is None and one.q is None for one in report.features)
    assert "199 observations" in report.sentence()


def test_with_a_small_reference_nothing_is_said() -> None:
    random = np.random.default_rng(5)
    assert against(pinned([random.normal(size=199)]), [random.normal(5, size=5000)]).verdict == "insufficient_evidence"


def test_what_never_varied_and_now_does_has_drifted() -> None:
    report = against(pinned([np.full(1000, 7.0)]), [np.arange(500, dtype=np.float64)])
    assert report.verdict == "drift"
    assert report.features[0].wasserstein is None


def test_no_rows_at_all() -> None:
    reference = pinned([np.arange(200, dtype=np.float64)])
    report = drift_between(reference, LiveCounts({}), NOON, NOON + timedelta(days=1))
    assert (report.verdict, report.features[0].n_live) == ("insufficient_evidence", 0)


def test_the_report_is_json_and_the_same_each_time() -> None:
    random = np.random.default_rng(6)
    reference, live = pinned(numbers(random, 5000)), numbers(random, 500)
    said: list[dict[str, Any]] = [against(reference, live).to_json() for _ in range(2)]
    assert json.dumps(said[0], allow_nan=False) == json.dumps(said[1], allow_nan=False)
    assert said[0]["reference"]["digest"] == reference.digest


@pytest.mark.parametrize(
    ("excess", "moved", "severity"),
    [(0.0, 0.0, "none"), (0.0999, 0.31, "none"), (0.1, 0.0, "moderate"), (0.0, 0.32, "moderate"),
     (0.25, 0.0, "severe"), (0.0, 0.5, "severe"), (0.1, 0.5, "severe")],
)  # fmt: skip
def test_severity(excess: float, moved: float, severity: str) -> None:
    assert severity_of(excess, moved) == severity


def test_the_digest_tells_references_apart() -> None:
    one, other = pinned([np.arange(200, dtype=np.float64)]), pinned([np.arange(201, dtype=np.float64)])
    assert one.digest != other.digest
    assert one.digest == pinned([np.arange(200, dtype=np.float64)]).digest
