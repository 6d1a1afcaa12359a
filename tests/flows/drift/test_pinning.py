"""References from real datasets and real outcomes, read in a confined process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from flows.drift.child import MOST_FEATURES
from flows.evaluation.outcomes import write_regression
from flows.gathering.drift import drift_report, pin_reference
from governance.drift.report import DriftReference
from governance.drift.sketches import CategoricalSketch, NumericSketch
from governance.evaluations import Evaluation, EvaluationStatus
from storage.composition import new_id
from tests.fixtures.drift import ROWS, as_csv, as_parquet, kept, suite_on, table
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query, step


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_reference_is_made_of_the_features_of_the_dataset(registry_under_test: RegistryUnderTest, kind: str) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model, weights=None)
    suite = suite_on(r, model, as_parquet(table()) if kind == "parquet" else as_csv(table()), kind)
    found = pin_reference(r.platform, version, suite)
    assert isinstance(found, DriftReference)
    age, income, region, active = found.sketches
    assert isinstance(age, NumericSketch)
    assert len(age.edges) == 21
    assert isinstance(income, NumericSketch)
    assert 150 < income.counts[-2] < 250  # missing
    assert isinstance(region, CategoricalSketch)
    assert region.levels == ("north", "south", "east")
    assert isinstance(active, NumericSketch)
    assert {sum(one.counts) for one in found.sketches} == {ROWS}
    assert found.omitted == 0
    with r.unit() as uow:  # and it comes back as it was
        stored = uow.drift.reference(version)
    assert stored == found
    assert stored is not None
    assert stored.digest == found.digest
    assert query(r, "select digest from drift_references") == [(found.digest,)]


def test_both_formats_give_the_same_cells(registry_under_test: RegistryUnderTest) -> None:
    r, made = registry_under_test, []
    for kind, content in (("parquet", as_parquet(table())), ("csv", as_csv(table()))):
        model = r.model()
        version = r.version(model, weights=None)
        found = pin_reference(r.platform, version, suite_on(r, model, content, kind))
        assert isinstance(found, DriftReference)
        made.append(found.sketches)
    assert made[0] == made[1]


def test_predictions_of_the_newest_evaluation_belong_to_it(
    registry_under_test: RegistryUnderTest, tmp_path: Path
) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model)
    suite = suite_on(r, model, as_parquet(table()))
    step(r, model, "1.0.0", "submit")
    request = r.open(model, "1.0.0", "evaluate")
    path = tmp_path / "outcomes"
    write_regression(path, np.zeros(ROWS), np.linspace(0, 1, ROWS))
    outcomes = kept(r, path.read_bytes())
    evaluation = Evaluation(
        new_id(), version, suite.id, request.id, EvaluationStatus.QUEUED, None, None, None, None, None
    )
    query(r, "delete from evaluations")
    with r.unit() as uow:
        uow.evaluations.queue(evaluation, {}, r.at)
        done = replace(evaluation, status=EvaluationStatus.COMPLETED, outcomes_sha256=outcomes, results={}, passed=True)
        uow.evaluations.store(done, r.at)
        uow.commit()
    found = pin_reference(r.platform, version, suite)
    assert isinstance(found, DriftReference)
    assert found.outcomes_sha256 == outcomes
    assert (found.sketches[-1].name, found.sketches[-1].role) == ("prediction", "prediction")
    assert sum(found.sketches[-1].counts) == ROWS


def test_a_reference_is_pinned_once(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model, weights=None)
    suite = suite_on(r, model, as_parquet(table()))
    first = pin_reference(r.platform, version, suite)
    other = suite_on(r, r.model(), as_parquet(table().slice(0, 500)))
    assert pin_reference(r.platform, version, other) == first
    pinned = query(r, "select count(*) from audit_outbox where entry like '%%drift_reference:pinned%%'")
    assert pinned == [(1,)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"PAR1 but no more", "cannot be read"), (as_parquet(table().slice(0, 0)), "0 rows"), (b"\0" * 99, "cannot be")],
)
def test_what_cannot_be_read_is_told_and_pins_nothing(
    registry_under_test: RegistryUnderTest, content: bytes, reason: str
) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model, weights=None)
    told = pin_reference(r.platform, version, suite_on(r, model, content))
    assert isinstance(told, str)
    assert reason in told
    assert query(r, "select count(*) from drift_references") == [(0,)]
    assert drift_report(r.platform, version, r.at.replace(hour=1), r.at) is None


def test_a_dataset_that_is_gone_is_told(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model, weights=None)
    suite = suite_on(r, model, as_parquet(table()))
    assert suite.dataset_sha256 is not None
    r.platform.store.delete(suite.dataset_sha256)
    told = pin_reference(r.platform, version, suite)
    assert told == "The dataset of the suite or the outcomes of its evaluation are gone from storage."


def test_columns_beyond_measure_and_of_strange_types_are_left_out(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = r.model()
    version = r.version(model, weights=None)
    columns = {f"f{number}": np.arange(20.0) for number in range(MOST_FEATURES)}
    strange = pa.table(
        {
            "a" * 201: np.arange(20.0), "nul\0": np.arange(20.0), "list": [[1]] * 20, "nothing": pa.nulls(20),
            **columns, "late": np.arange(20.0), "y": np.arange(20),
        }
    )  # fmt: skip
    found = pin_reference(r.platform, version, suite_on(r, model, as_parquet(strange)))
    assert isinstance(found, DriftReference)
    assert len(found.sketches) == MOST_FEATURES
    assert found.omitted == 5
