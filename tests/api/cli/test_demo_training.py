"""The story is true: what the demo trains is as good, as bad and as comparable as it says."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from api.cli.demo.catalogue import BREAST_CANCER, DIABETES, ModelPlan, next_major
from api.cli.demo.training import Experiment, breast_cancer, diabetes, with_one_bit_flipped
from governance.statistics.paired import PairedComparison, compare_binary


@pytest.fixture(scope="module")
def cancer() -> Experiment:
    return breast_cancer()


@pytest.fixture(scope="module")
def progression() -> Experiment:
    return diabetes()


def table_of(experiment: Experiment) -> pa.Table:
    source = io.BytesIO(experiment.holdout)
    return pq.read_table(source) if experiment.format == "parquet" else csv.read_csv(source)


def right(experiment: Experiment, model: str) -> np.ndarray[Any, Any]:
    """Which held-out examples the ONNX model is right about."""
    table = table_of(experiment)
    names = [name for name in table.column_names if name != experiment.target]
    features = np.stack([table.column(name).to_numpy() for name in names], axis=1).astype(np.float32)
    session = ort.InferenceSession(experiment.models[model].onnx, providers=["CPUExecutionProvider"])
    (labels,) = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: features})
    found: np.ndarray[Any, Any] = np.asarray(labels) == table.column(experiment.target).to_numpy()
    return found


def compared(experiment: Experiment, candidate: str, incumbent: str, plan: ModelPlan) -> PairedComparison:
    new, old = right(experiment, candidate), right(experiment, incumbent)
    return compare_binary(int((old & ~new).sum()), int((new & ~old).sum()), len(old), margin=plan.margin)


def test_a_careless_model_meets_the_thresholds_and_is_worse_than_the_incumbent(cancer: Experiment) -> None:
    assert right(cancer, "careless").mean() > BREAST_CANCER.thresholds["accuracy"] + 0.02
    assert compared(cancer, "careless", "first", BREAST_CANCER).conclusion == "worse"


def test_the_better_model_is_better_and_shown_not_to_be_worse(cancer: Experiment) -> None:
    assert right(cancer, "better").mean() > right(cancer, "first").mean()
    assert compared(cancer, "better", "first", BREAST_CANCER).conclusion == "not_worse"


def test_the_next_run_can_follow_whatever_is_in_production(cancer: Experiment, progression: Experiment) -> None:
    """Also when a run ended before its rollback, and the better model is the incumbent."""
    for incumbent in ("first", "better"):
        assert compared(cancer, "first", incumbent, BREAST_CANCER).conclusion == "not_worse"
        assert compared(cancer, "careless", incumbent, BREAST_CANCER).conclusion == "worse"
    assert compared(progression, "first", "first", DIABETES).conclusion == "not_worse"


def test_the_diabetes_model_meets_its_threshold(progression: Experiment) -> None:
    assert right(progression, "first").mean() > DIABETES.thresholds["accuracy"] + 0.02


def test_one_table_is_parquet_and_one_is_csv(cancer: Experiment, progression: Experiment) -> None:
    assert (cancer.format, progression.format) == ("parquet", "csv")
    assert (table_of(cancer).num_rows, table_of(progression).num_rows) == (cancer.examples, progression.examples)
    assert cancer.target in table_of(cancer).column_names


def test_sex_stays_a_column_of_its_own(progression: Experiment) -> None:
    assert set(table_of(progression).column("sex").to_pylist()) == {1.0, 2.0}


def test_training_twice_gives_the_same_bytes(cancer: Experiment) -> None:
    again = breast_cancer()
    assert again.holdout == cancer.holdout
    assert {key: model.onnx for key, model in again.models.items()} == {
        key: model.onnx for key, model in cancer.models.items()
    }


def test_one_bit_is_flipped() -> None:
    content = bytes(range(101))
    changed = with_one_bit_flipped(content)
    differing = [a ^ b for a, b in zip(content, changed, strict=True) if a != b]
    assert differing == [1]


@pytest.mark.parametrize(
    ("versions", "major"), [([], 1), (["1.0.0"], 2), (["2.0.0", "10.1.0-rc.1+build", "9.9.9"], 11)]
)
def test_the_next_major_version(versions: list[str], major: int) -> None:
    assert next_major(versions) == major
