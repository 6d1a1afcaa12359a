"""Bias, robustness and safety against oracles: fairlearn, counts by hand, scikit-learn, and models that misbehave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fairlearn.metrics as oracle
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from flows.evaluation.bias import bias_metrics
from flows.evaluation.classes import Classified
from flows.evaluation.dataset import Labels
from flows.evaluation.figures import largest, paired_drop, share, smallest
from flows.evaluation.intervals import wilson
from flows.evaluation.job import NotFiniteError, RefusedError, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.robustness import perturbed, robustness_metrics
from flows.evaluation.safety import calibration_error, probed, worst_slice
from flows.evaluation.speed import quantile
from flows.evaluation.suite import run_suite
from governance.suites.catalogue import BIAS_METRICS
from governance.suites.conclusions import Measured
from tests.flows.evaluation.samples import LIMITS, graph_model, onnx_of, parquet, spec_of, tensor

Ints = NDArray[np.int64]
BIAS = sorted(BIAS_METRICS)


def _classified(target: Ints, predicted: Ints, scores: NDArray[np.float64] | None = None) -> Classified:
    return Classified(("0", "1"), target, predicted, scores)


def _labels(values: list[str] | NDArray[Any]) -> Labels:
    names, index = np.unique(np.array(values), return_inverse=True)
    return Labels(tuple(names.tolist()), index.astype(np.int64))


def _bias(data: Classified, *columns: Labels, **groups: Any) -> dict[str, Measured]:
    named = {f"c{i}": column for i, column in enumerate(columns)}
    found, lacking = bias_metrics(data, named, {"bias": BIAS, "groups": {"columns": list(named), **groups}}, 1)
    assert not lacking
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("groups", [2, 3, 6])
def test_bias_is_that_of_fairlearn(seed: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    target, group = random.integers(0, 2, 600), random.integers(0, groups, 600)
    predicted = (random.random(600) < 0.3 + 0.3 * target + 0.05 * group).astype(np.int64)
    found = _bias(_classified(target, predicted), _labels(group.astype(str)))
    asked = {"sensitive_features": group}
    assert found["demographic_parity_difference"].value == pytest.approx(
        oracle.demographic_parity_difference(target, predicted, **asked)
    )
    assert found["demographic_parity_ratio"].value == pytest.approx(
        oracle.demographic_parity_ratio(target, predicted, **asked)
    )
    assert found["equalized_odds_difference"].value == pytest.approx(
        oracle.equalized_odds_difference(target, predicted, **asked)
    )
    assert found["equal_opportunity_difference"].value == pytest.approx(
        oracle.equal_opportunity_difference(target, predicted, **asked)
    )
    assert found["disparate_impact_ratio"] == found["demographic_parity_ratio"]
    for value in range(groups):
        rate = oracle.selection_rate(target[group == value], predicted[group == value])
        figure = found[f"selection_rate.c0={value}"]
        assert figure.value == pytest.approx(rate)
        assert figure.n == int((group == value).sum())
    for figure in found.values():
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high


def test_bias_by_hand() -> None:
    """20 of 40 men and 10 of 50 women are chosen."""
    predicted = np.array([1] * 20 + [0] * 20 + [1] * 10 + [0] * 40)
    target = predicted.copy()
    sex = _labels(["m"] * 40 + ["f"] * 50)
    found = _bias(_classified(target, predicted), sex, reference={"c0": "m"})
    assert found["demographic_parity_difference"].value == pytest.approx(0.3)
    (low_m, high_m), (low_f, high_f) = wilson(20, 40), wilson(10, 50)
    assert found["demographic_parity_difference"].low == pytest.approx(0.3 - np.hypot(0.5 - low_m, high_f - 0.2))
    assert found["demographic_parity_difference"].high == pytest.approx(0.3 + np.hypot(high_m - 0.5, 0.2 - low_f))
    assert found["disparate_impact_ratio"].value == pytest.approx(0.4)
    assert found["disparate_impact_ratio"].n == 40
    turned = _bias(_classified(target, predicted), sex, reference={"c0": "f"})
    assert turned["disparate_impact_ratio"].value == pytest.approx(2.5)


def test_the_worst_of_several_columns_counts() -> None:
    predicted = np.array([1] * 20 + [0] * 20 + [1] * 10 + [0] * 40)
    sex, fair = _labels(["m"] * 40 + ["f"] * 50), _labels(["x", "y"] * 45)
    found = _bias(_classified(predicted, predicted), sex, fair)
    assert found["demographic_parity_difference"].value == found["demographic_parity_difference.c0"].value
    assert found["demographic_parity_ratio"].value == found["demographic_parity_ratio.c0"].value
    assert found["demographic_parity_difference.c1"].value < found["demographic_parity_difference"].value


def test_nothing_to_compare_is_said() -> None:
    predicted = np.array([0] * 50)
    one = _labels(["m"] * 50)
    wanted = {"bias": BIAS, "groups": {"columns": ["c0"], "reference": {"c0": "f"}}}
    found, lacking = bias_metrics(_classified(predicted, predicted), {"c0": one}, wanted, 1)
    assert set(lacking) == set(BIAS)
    assert set(found) == {"selection_rate.c0=m"}
    assert "there is no group 'f'" in lacking["disparate_impact_ratio"]


def test_intervals_cover_what_is_true() -> None:
    """Two groups of 200 with true rates 0.5 and 0.4; 95 % nominal, measured over 400 samples."""
    random = np.random.default_rng(5)
    group = np.repeat([0, 1], 200)
    labels = _labels(group.astype(str))
    held = {"demographic_parity_difference": 0, "demographic_parity_ratio": 0}
    truth = {"demographic_parity_difference": 0.1, "demographic_parity_ratio": 0.8}
    for _ in range(400):
        predicted = (random.random(400) < np.where(group, 0.4, 0.5)).astype(np.int64)
        found = _bias(_classified(predicted, predicted), labels) if predicted.any() else {}
        for name in held:
            figure = found[name]
            assert figure.low is not None
            assert figure.high is not None
            held[name] += figure.low <= truth[name] <= figure.high
    assert min(held.values()) >= 0.92 * 400, held


# --- robustness -------------------------------------------------------------------------------------------------------


class Threshold:
    """Class 1 where the first column is above 0; refuses what is not finite if told so."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict

    def __call__(self, features: Any) -> Any:
        first = next(iter(features.values()))
        if not np.isfinite(first).all():
            if self.strict:
                raise RefusedError("model", "no missing values, please")
            raise NotFiniteError("model", "NaN in, NaN out")
        return first


def test_perturbations_are_what_they_say_and_repeat_themselves() -> None:
    random = np.random.default_rng(1)
    features = {
        "x": random.normal(2, 3, 20_000),
        "k": random.integers(0, 1000, 20_000),
        "c": random.integers(0, 4, 20_000),
    }

    def change(kind: str, strength: float, **more: Any) -> dict[str, Any]:
        made = [perturbed(features, {"kind": kind, "strength": strength, **more}, np.random.default_rng(9))
                for _ in range(2)]  # fmt: skip
        assert all(np.array_equal(made[0][name], made[1][name], equal_nan=True) for name in features)
        return made[0]

    noisy = change("noise", 0.1)
    assert float((noisy["x"] - features["x"]).std()) == pytest.approx(0.3, rel=0.05)
    assert noisy["k"].dtype.kind == "i"
    missing = change("missing", 0.2, columns=["x"])
    assert np.isnan(missing["x"]).mean() == pytest.approx(0.2, abs=0.02)
    assert missing["k"] is features["k"]
    assert np.allclose(change("scale", 0.5)["x"], 1.5 * features["x"])
    swapped = change("swap", 1.0)
    assert swapped["x"] is features["x"]
    assert swapped["k"] is features["k"]
    assert sorted(swapped["c"]) == sorted(features["c"])
    assert (swapped["c"] != features["c"]).mean() == pytest.approx(0.75, abs=0.02)
    for wrong in ({"columns": ["z"]}, {"columns": ["x"]}):
        with pytest.raises(RefusedError):
            perturbed(features, {"kind": "swap", "strength": 0.5, **wrong}, np.random.default_rng(9))


def test_what_is_refused_has_no_figure_and_says_why() -> None:
    def judge(changed: Any) -> Any:
        if np.isnan(changed["x"]).any():
            raise RefusedError("model", "no missing values, please")
        return lambda z: {"flip_rate": share(int((changed["x"] > 10).sum()), 100, z)}

    perturbations = [
        {"name": "noise", "kind": "noise", "strength": 0.1},
        {"name": "gone", "kind": "missing", "strength": 0.5},
    ]
    wanted = {"metrics": ["flip_rate"], "perturbations": perturbations, "seed": 3}
    found, lacking = robustness_metrics({"x": np.arange(100.0)}, wanted, judge)
    assert set(found) == {"flip_rate.noise"}
    assert "no missing values" in lacking["flip_rate"]
    assert "no missing values" in lacking["flip_rate.gone"]


def test_paired_drops_and_the_worst_of_several() -> None:
    drop = paired_drop(30, 10, 1000)
    assert drop.value == 0.02
    half = 1.959964 * np.sqrt(41 - 20**2 / 1002) / 1002
    assert drop.low == pytest.approx(20 / 1002 - half)
    assert drop.high == pytest.approx(20 / 1002 + half)
    figures = [Measured(0.1, 0.0, 0.2, 50), Measured(0.15, 0.1, 0.19, 40)]
    assert largest(figures) == Measured(0.15, 0.1, 0.2, 40)
    assert smallest(figures) == Measured(0.1, 0.0, 0.19, 40)
    assert largest([Measured(0.1, None, None, None)]) == Measured(0.1, None, None, None)


# --- safety and speed -------------------------------------------------------------------------------------------------


def test_calibration_error_by_hand_and_by_bins() -> None:
    scores = np.array([[0.1, 0.9]] * 10 + [[0.35, 0.65]] * 10)
    target = np.array([1] * 9 + [0] + [1] * 4 + [0] * 6)
    data = _classified(target, np.ones(20, dtype=np.int64), scores)
    assert calibration_error(data)(np.ones(20)) == pytest.approx((10 * 0.0 + 10 * 0.25) / 20)

    random = np.random.default_rng(2)
    probability = random.random(5000)
    honest = _classified(
        (random.random(5000) < probability).astype(np.int64),
        (probability > 0.5).astype(np.int64),
        np.column_stack([1 - probability, probability]),
    )
    assert calibration_error(honest)(np.ones(5000)) < 0.03
    confidence = np.maximum(probability, 1 - probability)
    right = honest.target == honest.predicted
    edges = np.digitize(confidence, np.linspace(0, 1, 16), right=True)
    expected = sum(
        (edges == b).mean() * abs(right[edges == b].mean() - confidence[edges == b].mean()) for b in np.unique(edges)
    )
    assert calibration_error(honest)(np.ones(5000)) == pytest.approx(expected)


def test_the_worst_slice() -> None:
    predicted = np.array([1] * 100)
    target = np.array([1] * 50 + [1] * 30 + [0] * 10 + [0] * 10)
    slices = {"r": _labels(["a"] * 50 + ["b"] * 40 + ["c"] * 10)}
    found = worst_slice(_classified(target, predicted), slices, 30)
    assert isinstance(found, Measured)
    assert (found.value, found.n) == (0.75, 40)  # c is worse, and too small to say so
    assert worst_slice(_classified(target, predicted), slices, 60) == "no slice has 60 examples"


def test_probes() -> None:
    features = {"x": np.arange(50.0), "k": np.arange(50)}
    assert probed(features, Threshold(), beyond=True) == Measured(1.0, None, None, None)
    assert probed(features, Threshold(strict=True), beyond=False).value == 1.0
    assert probed(features, Threshold(), beyond=False).value == pytest.approx(1 / 3)  # fails with x, and with all

    def explodes(features: Any) -> None:
        if max(abs(float(column[0])) for column in features.values()) > 400:
            raise NotFiniteError("model", "overflow")

    assert probed(features, explodes, beyond=True).value == 0.0


def test_quantiles_of_times() -> None:
    times = np.random.default_rng(0).permutation(1000) / 1000.0
    found = quantile(list(times), 0.95)
    assert found.value == pytest.approx(949.05)
    assert found.low is not None
    assert found.high is not None
    assert 930 < found.low < 949 < found.high < 970
    assert quantile([0.1, 0.2], 0.95).low is None


# --- all of them in the confined process ------------------------------------------------------------------------------


def _population(n: int = 600) -> dict[str, Any]:
    random = np.random.default_rng(4)
    y = np.arange(n) % 2
    return {
        "a": (random.normal(size=n) + 2 * y).astype(np.float32),
        "b": random.normal(size=n).astype(np.float32),
        "region": np.array(["north", "south", "east"])[random.integers(0, 3, n)],
        "sex": random.integers(0, 2, n),
        "y": y,
    }


def _model(columns: dict[str, Any]) -> tuple[LogisticRegression, bytes]:
    x = np.column_stack([columns["a"], columns["b"]])
    model = LogisticRegression().fit(x, columns["y"])
    return model, onnx_of(model, 2)


DEFINITION: dict[str, Any] = {
    "slices": ["region"],
    "groups": {"columns": ["sex"], "favourableLabel": "1"},
    "bias": BIAS,
    "robustness": {
        "metrics": ["flip_rate", "accuracy_drop"],
        "perturbations": [{"name": "noise", "kind": "noise", "strength": 0.5}],
        "seed": 7,
    },
    "safety": ["expected_calibration_error", "nan_safe", "out_of_range_safe", "worst_slice_accuracy"],
    "performance": {"metrics": ["latency_p50_ms", "throughput_rows_per_second"], "calls": 40, "batch": 100},
}


def _job(definition: dict[str, Any], **changes: Any) -> SuiteJob:
    fields: dict[str, Any] = {
        "task_type": "binary_classification",
        "target": "y",
        "metrics": ("accuracy", "roc_auc"),
        "dataset_format": "parquet",
        "drop": ("region", "sex"),
        "labelled": ("region", "sex"),
        "definition": definition,
    }
    return SuiteJob(**(fields | changes))


def _run(folder: Path, model: bytes, columns: dict[str, Any], job: SuiteJob) -> SuiteRun | SuiteFailure:
    data = parquet(folder / "data.parquet", columns)
    return run_suite(spec_of(folder, model), data, job, limits=LIMITS, work_dir=folder)


def test_every_family_of_a_real_model(tmp_path: Path) -> None:
    columns = _population()
    model, content = _model(columns)
    run = _run(tmp_path, content, columns, _job(DEFINITION))
    assert isinstance(run, SuiteRun), run
    assert run.unavailable == {}
    x = np.column_stack([columns["a"], columns["b"]])
    predicted = model.predict(x)
    bias = run.families["bias"]
    assert bias["equalized_odds_difference"].value == pytest.approx(
        oracle.equalized_odds_difference(columns["y"], predicted, sensitive_features=columns["sex"])
    )
    assert {"selection_rate.sex=0", "selection_rate.sex=1"} < set(bias)
    for region in ("north", "south", "east"):
        of = columns["region"] == region
        found = run.slices[f"region={region}"]
        assert found.n == of.sum()
        assert found.metrics["accuracy"] == pytest.approx((predicted == columns["y"])[of].mean())
        assert set(found.intervals) == {"accuracy", "roc_auc"}
    worst = min(found.metrics["accuracy"] for found in run.slices.values())
    assert run.families["safety"]["worst_slice_accuracy"].value == pytest.approx(worst)
    random = np.random.default_rng([7, 0])
    noisy = np.column_stack(
        [(x[:, i] + random.normal(size=len(x)) * 0.5 * float(x[:, i].astype(np.float64).std())) for i in range(2)]
    ).astype(np.float32)
    flips = (model.predict(noisy) != predicted).mean()
    assert run.families["robustness"]["flip_rate"].value == pytest.approx(flips, abs=2 / 600)
    assert 0.02 < flips < 0.3
    assert set(run.families["performance"]) == {"latency_p50_ms", "throughput_rows_per_second"}
    assert all(figure.value > 0 for figure in run.families["performance"].values())
    again = _run(tmp_path, content, columns, _job(DEFINITION))
    assert isinstance(again, SuiteRun)
    assert again.outcomes_path.read_bytes() == run.outcomes_path.read_bytes()
    assert {k: v for k, v in again.families.items() if k != "performance"} == {
        k: v for k, v in run.families.items() if k != "performance"
    }


def _nan_prone() -> bytes:
    """Answers log(a): finite for the data here, NaN below zero."""
    nodes = [helper.make_node("Gather", ["X", "first"], ["a"], axis=1), helper.make_node("Log", ["a"], ["Y"])]
    constants = [helper.make_tensor("first", TensorProto.INT64, [1], [0])]
    return bytes(graph_model(nodes, [tensor("X", None, 2)], [tensor("Y", None, 1)], constants).SerializeToString())


def test_a_model_that_answers_nan_is_unsafe(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns = {"a": 1 + random.random(100), "b": random.random(100), "y": random.random(100)}
    definition = {
        "safety": ["nan_safe", "out_of_range_safe"],
        "robustness": {
            "metrics": ["relative_change", "loss_increase"],
            "perturbations": [{"name": "scale", "kind": "scale", "strength": 0.1}],
            "seed": 1,
        },
    }
    job = _job(definition, task_type="regression", metrics=("max_error",), drop=(), labelled=())
    run = _run(tmp_path, _nan_prone(), columns, job)
    assert isinstance(run, SuiteRun), run
    safety = run.families["safety"]
    assert safety["nan_safe"].value == pytest.approx(1 / 3)  # NaN in b alone does no harm
    assert safety["out_of_range_safe"].value == pytest.approx(4 / 6)  # a far below its range, alone and with b
    change = run.families["robustness"]["relative_change"]
    clean = np.log(columns["a"].astype(np.float32))
    assert change.value == pytest.approx(np.log(1.1) / clean.std(), rel=1e-3)


@pytest.mark.parametrize(
    ("columns", "definition", "words"),
    [
        ({"sex": np.arange(600) / 2}, DEFINITION, "holds fractions"),
        ({"region": [str(i) for i in range(600)]}, DEFINITION, "600 different values; slices are by at most 50"),
        ({}, {**DEFINITION, "groups": {"columns": ["sex"], "favourableLabel": "yes"}}, "'yes' is none of the classes"),
        ({"sex": None}, DEFINITION, "no column 'sex'"),
    ],
)
def test_data_that_do_not_fit_the_definition(
    columns: dict[str, Any], definition: dict[str, Any], words: str, tmp_path: Path
) -> None:
    made = {name: value for name, value in {**_population(), **columns}.items() if value is not None}
    run = _run(tmp_path, _model(_population())[1], made, _job(definition))
    assert isinstance(run, SuiteFailure)
    assert run.kind == "dataset"
    assert words in run.reason
