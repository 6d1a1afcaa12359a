from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.metrics as reference
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from flows.evaluation.job import MIB, Limits, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.left_behind import checked_run
from flows.evaluation.runners import RunnerSpec
from flows.evaluation.sandbox import Answer
from flows.evaluation.suite import run_suite
from governance.suites.catalogue import METRICS, TaskType
from tests.flows.evaluation.samples import (
    LIMITS,
    columns_of,
    comma_separated,
    converted,
    endless_loop,
    graph_model,
    greedy,
    job,
    onnx_of,
    parquet,
    saved,
    spec_of,
    split,
    tensor,
    trained,
)

Evaluate = Callable[..., SuiteRun | SuiteFailure]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Write a model and a dataset and run the suite on them."""

    def run(model: bytes, columns: dict[str, Any], asked: SuiteJob, limits: Limits = LIMITS) -> SuiteRun | SuiteFailure:
        write = parquet if asked.dataset_format == "parquet" else comma_separated
        data = write(tmp_path / f"data.{asked.dataset_format}", columns)
        return run_suite(spec_of(tmp_path, model), data, asked, limits=limits, work_dir=tmp_path)

    return run


def _outcomes(run: SuiteRun | SuiteFailure) -> dict[str, list[Any]]:
    assert isinstance(run, SuiteRun), run
    found: dict[str, list[Any]] = pq.read_table(run.outcomes_path).to_pydict()
    return found


# ---------------------------------------------------------------- models that work


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("dataset_format", ["parquet", "csv"])
def test_breast_cancer_as_scikit_learn_judges_it(evaluate: Evaluate, zipmap: bool, dataset_format: Any) -> None:
    _, x, _, y, _ = split("cancer")
    metrics = tuple(sorted(METRICS[TaskType.BINARY]))
    asked = job("cancer", metrics=metrics, dataset_format=dataset_format)
    run = evaluate(converted("cancer", zipmap), columns_of("cancer"), asked)
    outcomes = _outcomes(run)
    assert isinstance(run, SuiteRun)
    model = trained("cancer")
    assert run.n == len(y)
    assert run.metrics["accuracy"] == model.score(x, y)
    assert run.metrics["f1"] == pytest.approx(reference.f1_score(y, model.predict(x)))
    assert run.metrics["roc_auc"] == pytest.approx(reference.roc_auc_score(y, model.predict_proba(x)[:, 1]), abs=1e-4)
    assert run.metrics["log_loss"] == pytest.approx(reference.log_loss(y, model.predict_proba(x)), rel=1e-2)
    assert list(run.metrics) == list(metrics)
    for name, (low, high) in run.intervals.items():
        assert low <= run.metrics[name] <= high, name
    assert set(run.intervals) == set(metrics)
    assert outcomes["example"] == list(range(len(y)))
    assert outcomes["target"] == [str(label) for label in y]
    assert outcomes["prediction"] == [str(label) for label in model.predict(x)]
    assert outcomes["correct"] == (model.predict(x) == y).tolist()
    assert outcomes["score"] == pytest.approx(model.predict_proba(x)[:, 1], abs=1e-4)


@pytest.mark.parametrize("zipmap", [True, False])
def test_iris_in_three_classes(evaluate: Evaluate, zipmap: bool) -> None:
    _, x, _, y, _ = split("iris")
    metrics = (*sorted(METRICS[TaskType.MULTICLASS]), "roc_auc_ovr", "brier_score_loss")
    run = evaluate(converted("iris", zipmap), columns_of("iris"), job("iris", metrics=metrics))
    outcomes = _outcomes(run)
    assert isinstance(run, SuiteRun)
    predicted, probabilities = trained("iris").predict(x), trained("iris").predict_proba(x)
    assert run.metrics["f1_macro"] == pytest.approx(reference.f1_score(y, predicted, average="macro"))
    assert run.metrics["roc_auc_ovr"] == pytest.approx(
        reference.roc_auc_score(y, probabilities, multi_class="ovr"), abs=1e-3
    )
    assert run.metrics["brier_score_loss"] == pytest.approx(reference.brier_score_loss(y, probabilities), abs=1e-4)
    assert outcomes["score"] == pytest.approx(probabilities.max(axis=1), abs=1e-4)


def test_diabetes_by_regression(evaluate: Evaluate) -> None:
    _, x, _, y, _ = split("diabetes")
    asked = job("diabetes", metrics=tuple(sorted(METRICS[TaskType.REGRESSION])))
    run = evaluate(converted("diabetes"), columns_of("diabetes"), asked)
    outcomes = _outcomes(run)
    assert isinstance(run, SuiteRun)
    predicted = trained("diabetes").predict(x)
    assert run.metrics["r2"] == pytest.approx(reference.r2_score(y, predicted), abs=1e-5)
    assert run.metrics["max_error"] == pytest.approx(reference.max_error(y, predicted), rel=1e-5)
    assert set(run.intervals) == set(run.metrics) - {"max_error"}
    assert outcomes["loss"] == pytest.approx(np.abs(predicted - y), rel=1e-4, abs=1e-3)
    assert set(outcomes["score"]) == {None}


def test_the_same_evaluation_gives_the_same_bytes(evaluate: Evaluate) -> None:
    runs = [
        evaluate(converted("cancer"), columns_of("cancer"), job("cancer", metrics=("accuracy", "roc_auc")))
        for _ in range(2)
    ]
    first, second = runs
    assert isinstance(first, SuiteRun)
    assert isinstance(second, SuiteRun)
    assert first.outcomes_path != second.outcomes_path
    assert first.outcomes_path.read_bytes() == second.outcomes_path.read_bytes()
    assert (first.metrics, first.intervals) == (second.metrics, second.intervals)


def test_only_the_outcomes_stay(evaluate: Evaluate, tmp_path: Path) -> None:
    run = evaluate(converted("cancer"), columns_of("cancer"), job())
    assert isinstance(run, SuiteRun)
    assert [path.name for path in run.outcomes_path.parent.iterdir()] == ["outcomes.parquet"]
    assert isinstance(evaluate(b"\x08nonsense", columns_of("cancer"), job()), SuiteFailure)
    assert len(list(tmp_path.glob("suite-*"))) == 1


def test_a_column_is_kept_or_dropped_as_asked(evaluate: Evaluate) -> None:
    columns = columns_of("diabetes") | {"sex": columns_of("diabetes")["sex"]}
    asked = job("diabetes")
    kept = evaluate(converted("diabetes"), columns, asked)
    assert isinstance(kept, SuiteRun)
    x, _, y, _, names = split("diabetes")
    rest = [i for i, name in enumerate(names) if name != "sex"]
    without = onnx_of(LinearRegression().fit(x[:, rest], y), len(rest))
    dropped = evaluate(without, columns, job("diabetes", drop=("sex",)))
    assert isinstance(dropped, SuiteRun)
    assert dropped.metrics != kept.metrics
    refused = evaluate(without, columns, asked)
    assert refused == SuiteFailure("The model takes 9 features; the dataset gives 10.", "model")


def test_features_are_given_in_the_order_asked(evaluate: Evaluate) -> None:
    names = split("diabetes")[4]
    shuffled = dict(reversed(columns_of("diabetes").items()))
    right = evaluate(converted("diabetes"), shuffled, job("diabetes", features=names))
    wrong = evaluate(converted("diabetes"), shuffled, job("diabetes"))
    assert isinstance(right, SuiteRun)
    assert isinstance(wrong, SuiteRun)
    assert right.metrics["r2"] == pytest.approx(trained("diabetes").score(*_test_part("diabetes")), abs=1e-5)
    assert wrong.metrics["r2"] != pytest.approx(right.metrics["r2"], abs=1e-3)


def _test_part(name: str) -> tuple[Any, Any]:
    _, x, _, y, _ = split(name)
    return x, y


def _column_model(kinds: dict[str, Any]) -> bytes:
    """A classifier with one input per column: Concat of casts, then a tree's answer."""
    rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    tree = DecisionTreeClassifier(random_state=0).fit(rows, ["no", "no", "no", "yes"])
    inner = to_onnx(tree, initial_types=[("X", FloatTensorType([None, 2]))])
    casts = [helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT) for name in kinds]
    join = helper.make_node("Concat", [f"{name}_f" for name in kinds], ["X"], axis=1)
    inputs = [tensor(name, None, 1, kind=kind) for name, kind in kinds.items()]
    graph = helper.make_graph(
        [*casts, join, *inner.graph.node], "g", inputs, inner.graph.output, inner.graph.initializer
    )
    model = helper.make_model(graph, opset_imports=inner.opset_import, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_one_input_per_column_and_labels_of_text(evaluate: Evaluate) -> None:
    model = _column_model({"age": TensorProto.INT64, "dose": TensorProto.DOUBLE})
    columns = {
        "dose": [0.0, 1.0, 1.0],
        "age": [1, 1, 0],
        "target": ["no", "yes", "yes"],
        "id": ["x", "y", "z"],
    }
    run = evaluate(model, columns, job(drop=("id",), positive_label="yes", metrics=("accuracy", "precision", "recall")))
    assert _outcomes(run)["prediction"] == ["no", "yes", "no"]
    assert isinstance(run, SuiteRun)
    assert run.metrics == {"accuracy": 2 / 3, "precision": 1.0, "recall": 0.5}
    other = evaluate(model, columns, job(drop=("id",), positive_label="no", metrics=("precision",)))
    assert isinstance(other, SuiteRun)
    assert other.metrics == {"precision": 0.5}
    for changed, words in (
        ({"dose": columns["dose"], "target": columns["target"]}, "takes a column 'age'"),
        (columns | {"id": [1, 2, 3]}, "does not take the column 'id'"),
        ({name: v for name, v in columns.items() if name != "id"} | {"age": [1, 0.5, 0]}, "whole numbers"),
    ):
        failed = evaluate(model, changed, job(positive_label="yes"))
        assert isinstance(failed, SuiteFailure)
        assert words in failed.reason


def test_inputs_in_double_precision_and_whole_numbers(evaluate: Evaluate) -> None:
    x, y = np.arange(40).reshape(-1, 2), np.arange(20) % 2
    columns = {"a": x[:, 0], "b": x[:, 1], "target": y}
    tree = to_onnx(DecisionTreeClassifier().fit(x, y), initial_types=[("X", Int64TensorType([None, 2]))])
    run = evaluate(tree.SerializeToString(), columns, job())
    assert isinstance(run, SuiteRun), run
    assert run.metrics["accuracy"] == 1.0
    line = LinearRegression().fit(x, x[:, 0])
    model = to_onnx(line, initial_types=[("X", DoubleTensorType([None, 2]))])
    asked = job("diabetes", target="target", metrics=("max_error",))
    run = evaluate(model.SerializeToString(), columns | {"target": x[:, 0]}, asked)
    assert isinstance(run, SuiteRun), run
    assert run.metrics["max_error"] < 1e-9  # more than single precision gives


def test_scores_that_are_no_probabilities(evaluate: Evaluate) -> None:
    x, _, y, _, _ = split("cancer")
    model = onnx_of(LinearSVC(random_state=0, max_iter=10_000, tol=1.0).fit(x, y), 30)
    run = evaluate(model, columns_of("cancer"), job(metrics=("accuracy", "roc_auc")))
    assert isinstance(run, SuiteRun), run
    assert run.metrics["roc_auc"] > 0.5
    failed = evaluate(model, columns_of("cancer"), job(metrics=("log_loss",)))
    assert isinstance(failed, SuiteFailure)
    assert "needs probabilities" in failed.reason


def test_a_network_that_answers_scores_alone(evaluate: Evaluate) -> None:
    node = helper.make_node("Identity", ["X"], ["Y"])
    model = graph_model([node], [tensor("X", None, 3)], [tensor("Y", None, 3)]).SerializeToString()
    columns = {"a": [9.0, 0.0, 0.0], "b": [1.0, 5.0, 0.0], "c": [0.0, 0.0, 2.0], "target": [0, 1, 1]}
    run = evaluate(model, columns, job("iris", metrics=("accuracy",)))
    assert _outcomes(run)["prediction"] == ["0", "1", "2"]


def test_a_fixed_batch(evaluate: Evaluate) -> None:
    node = helper.make_node("ReduceSum", ["X", "axis"], ["Y"], keepdims=1)
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    model = graph_model([node], [tensor("X", 4, 2)], [tensor("Y", 4, 1)], [axis]).SerializeToString()
    columns = {"a": np.arange(6.0), "b": np.ones(6), "target": np.arange(6.0) + 1}
    run = evaluate(model, columns, job("diabetes", metrics=("max_error",)))
    assert isinstance(run, SuiteRun), run
    assert (run.n, run.metrics["max_error"]) == (6, 0.0)


# ---------------------------------------------------------------- models that do not


def _failed(run: SuiteRun | SuiteFailure, kind: str, words: str) -> None:
    assert isinstance(run, SuiteFailure), run
    assert words in run.reason, run
    assert run.kind == kind, run
    assert run.reason.isprintable()


def _answering(node: onnx.NodeProto, width: int = 10, out: int = 1) -> bytes:
    model = graph_model([node], [tensor("X", None, width)], [tensor("Y", None, out)])
    return bytes(model.SerializeToString())


MODELS: dict[str, tuple[Callable[[], bytes], Limits, str, str]] = {
    "garbage": (lambda: b"\x08garbage" * 100, LIMITS, "model", "does not load"),
    "a pickle": (lambda: b"\x80\x04N.", LIMITS, "model", "does not load"),
    "empty": (lambda: b"", LIMITS, "model", "empty"),
    "too large": (lambda: bytes(2000), Limits(model_bytes=1000), "model", "at most 1000"),
    "cut": (lambda: converted("diabetes")[:-40], LIMITS, "model", "does not load"),
    "classifier": (lambda: converted("cancer"), LIMITS, "model", "A regressor answers one number"),
    "wrong shape": (
        lambda: _answering(helper.make_node("Identity", ["X"], ["Y"]), out=10),
        LIMITS,
        "model",
        "shape",
    ),
    "not a number": (
        lambda: _answering(helper.make_node("Log", ["X"], ["Y"]), 10, 10),
        LIMITS,
        "model",
        "shape",
    ),
    "endless": (lambda: endless_loop(10), Limits(wall_seconds=2.0), "timeout", "within 2 seconds"),
    "endless work": (lambda: endless_loop(10), Limits(cpu_seconds=1), "timeout", "processor time"),
    "greedy": (lambda: greedy(10), LIMITS, "memory", "2048 MiB"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_bad_model_is_a_failure_with_a_reason(evaluate: Evaluate, name: str) -> None:
    make, limits, kind, words = MODELS[name]
    _failed(evaluate(make(), columns_of("diabetes"), job("diabetes"), limits), kind, words)


def test_predictions_that_are_not_numbers(evaluate: Evaluate) -> None:
    model = _answering(helper.make_node("Log", ["X"], ["Y"]), width=1)
    _failed(
        evaluate(model, {"x": [1.0, -1.0, 2.0], "target": [1.0, 2.0, 3.0]}, job("diabetes")),
        "model",
        "NaN or infinity for 1 rows, first row 1",
    )


def test_weights_in_another_file_are_not_read(evaluate: Evaluate, tmp_path: Path) -> None:
    """A neighbour's file, by its name in the store or by a path, must not become this model's weights."""
    (tmp_path / "neighbour").write_bytes(np.ones(1, np.float32).tobytes())
    for location in ("neighbour", "../neighbour", str(tmp_path / "neighbour"), "/etc/hostname"):
        outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", "4")):
            entry = outside.external_data.add()
            entry.key, entry.value = key, value
        node = helper.make_node("Add", ["X", "w"], ["Y"])
        model = graph_model([node], [tensor("X", None, 1)], [tensor("Y", None, 1)], [outside])
        run = evaluate(model.SerializeToString(), {"x": [1.0, 2.0], "target": [2.0, 3.0]}, job("diabetes"))
        _failed(run, "model", "does not load")


def test_more_classes_than_the_task_has(evaluate: Evaluate) -> None:
    columns = columns_of("iris")
    _failed(evaluate(converted("iris"), columns, job("cancer")), "model", "needs two classes; here are 3")


def test_a_model_without_scores(evaluate: Evaluate) -> None:
    model = onnx.load_model_from_string(converted("cancer", zipmap=False))
    del model.graph.output[1]
    content = model.SerializeToString()
    assert isinstance(evaluate(content, columns_of("cancer"), job()), SuiteRun)
    _failed(evaluate(content, columns_of("cancer"), job(metrics=("roc_auc",))), "model", "labels alone")


# ---------------------------------------------------------------- datasets that do not


def _with(**changes: Any) -> dict[str, Any]:
    return {"x": [1.0, 2.0, 3.0, 4.0], "target": [0, 1, 0, 1]} | changes


DATASETS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no target": ({"x": [1.0]}, {}, "no column 'target'; it has 'x'"),
    "no feature": ({"target": [0, 1]}, {}, "No feature column"),
    "missing feature": (_with(), {"features": ("x", "age")}, "no column 'age'"),
    "missing drop": (_with(), {"drop": ("sxe",)}, "no column 'sxe'"),
    "target as feature": (_with(), {"features": ("x", "target")}, "at the same time the target"),
    "feature dropped": (
        _with(),
        {"features": ("x",), "drop": ("x",)},
        "at the same time the target or dropped",
    ),
    "feature twice": (_with(), {"features": ("x", "x")}, "named twice"),
    "no rows": ({"x": pa.array([], pa.float64()), "target": pa.array([], pa.int64())}, {}, "no rows"),
    "NaN target": (
        _with(target=[0.0, math.nan, 1.0, math.nan]),
        {},
        "missing (null or NaN) in 2 rows, first in row 1",
    ),
    "null target": (
        _with(target=["a", None, "b", "a"]),
        {},
        "missing (null or NaN) in 1 rows, first in row 1",
    ),
    "fractions as labels": (_with(target=[0.5, 1, 0, 1]), {}, "fractions"),
    "dates as labels": (_with(target=pa.array([0, 1, 2, 3], pa.date32())), {}, "date32"),
    "unknown label": (_with(target=[0, 1, 2, 1]), {}, "has the label '2'; the model knows '0', '1'"),
    "text labels": (
        _with(target=["yes", "no", "no", "yes"]),
        {},
        "has the label 'yes', 'no'; the model knows",
    ),
    "unknown positive label": (
        _with(),
        {"positive_label": "spam"},
        "'spam' is not one of the classes '0', '1'",
    ),
    "text feature": (_with(x=["a", "b", "c", "d"]), {}, "Column 'x' holds string values"),
    "infinite feature": (_with(x=[1.0, math.inf, 2.0, 3.0]), {}, "infinite"),
    "huge feature": (_with(x=[1.0, 1e300, 2.0, 3.0]), {}, "too large for the model's float32"),
    "unknown metric": (_with(), {"metrics": ("charm",)}, "'charm' does not exist"),
    "one class and ROC": (_with(target=[1, 1, 1, 1]), {"metrics": ("roc_auc",)}, "not defined"),
}


def _one_feature_model() -> bytes:
    return onnx_of(LogisticRegression().fit(np.array([[0.0], [1.0], [2.0], [3.0]], np.float32), [0, 1, 0, 1]), 1)


@pytest.mark.parametrize("name", DATASETS)
def test_a_bad_dataset_is_a_failure_with_a_reason(evaluate: Evaluate, name: str) -> None:
    columns, changes, words = DATASETS[name]
    _failed(evaluate(_one_feature_model(), columns, job(**changes)), "dataset", words)


@pytest.mark.parametrize(
    ("content", "dataset_format", "words"),
    [
        (b"PAR1 is not enough PAR1", "parquet", "not readable as parquet"),
        (b"", "parquet", "empty file"),
        (b"x,target\n1,0\n1,0,5\n", "csv", "not readable as csv"),
        (b"x,x,target\n1,2,0\n", "csv", "more than one column named 'x'"),
        (b"x,target\n", "csv", "no rows"),
        (b"x,target\n1,\n2,1\n", "csv", "missing (null or NaN) in 1 rows"),
        (b"x,target\n1,yes\n2,\n", "csv", "missing (null or NaN) in 1 rows"),
        (b"x,target\none,0\n2,1\n", "csv", "Column 'x' holds string"),
        (b"\xff\xfe\x00x", "csv", ""),
    ],
)
def test_a_broken_file_is_a_failure_with_a_reason(
    content: bytes, dataset_format: Any, words: str, tmp_path: Path
) -> None:
    model = spec_of(tmp_path, _one_feature_model())
    data = saved(tmp_path / "data", content)
    asked = job(dataset_format=dataset_format)
    _failed(run_suite(model, data, asked, limits=LIMITS, work_dir=tmp_path), "dataset", words)


def test_limits_on_the_dataset(evaluate: Evaluate) -> None:
    model, columns = _one_feature_model(), _with()
    _failed(evaluate(model, columns, job(), Limits(rows=3)), "dataset", "4 rows; at most 3")
    _failed(evaluate(model, columns, job(dataset_format="csv"), Limits(rows=3)), "dataset", "4 rows; at most 3")
    _failed(evaluate(model, columns, job(), Limits(columns=1)), "dataset", "2 columns; at most 1")
    _failed(evaluate(model, columns, job(), Limits(dataset_bytes=10)), "dataset", "at most 10")
    _failed(evaluate(model, _with(target=[0, 1, 2, 3]), job(), Limits(classes=3)), "dataset", "4 different labels")


def test_a_dataset_that_unfolds_beyond_the_memory(evaluate: Evaluate) -> None:
    """A few kilobytes of Parquet that hold 160 MB a column."""
    zeros = np.zeros(20_000_000)
    limits = Limits(memory=600 * MIB, rows=100_000_000)
    run = evaluate(
        converted("diabetes"), {"x": zeros, "y": zeros, "z": zeros, "target": zeros}, job("diabetes"), limits
    )
    _failed(run, "memory", "600 MiB")


def test_missing_feature_values_reach_the_model(evaluate: Evaluate) -> None:
    node = helper.make_node("IsNaN", ["X"], ["missing"])
    cast = helper.make_node("Cast", ["missing"], ["Y"], to=TensorProto.FLOAT)
    model = graph_model([node, cast], [tensor("X", None, 1)], [tensor("Y", None, 1)]).SerializeToString()
    columns = {"x": pa.array([1, None, 3]), "target": [0.0, 1.0, 0.0]}
    run = evaluate(model, columns, job("diabetes", metrics=("max_error",)))
    assert isinstance(run, SuiteRun), run
    assert run.metrics["max_error"] == 0.0


def test_absent_files(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", _one_feature_model())
    data = parquet(tmp_path / "data", _with())
    for paths, kind in (
        ((tmp_path / "absent", data), "model"),
        ((model, tmp_path / "absent"), "dataset"),
        ((tmp_path, data), "model"),
        ((model, tmp_path / "a\0b"), "dataset"),
    ):
        run = run_suite(RunnerSpec("onnx", str(paths[0])), paths[1], job(), limits=LIMITS, work_dir=tmp_path)
        assert isinstance(run, SuiteFailure)
        assert run.kind == kind


# ---------------------------------------------------------------- what a taken-over process might leave


GOOD: dict[str, Any] = {"n": 4, "metrics": {"accuracy": 0.5}, "intervals": {"accuracy": [0.4, 0.6]}}


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0},
        {"n": True},
        {"n": 10**12},
        {"n": "4"},
        {"metrics": {}},
        {"metrics": {"accuracy": "high"}},
        {"metrics": {"accuracy": math.nan}},
        {"metrics": {"accuracy": math.inf}},
        {"metrics": {"accuracy": True}},
        {"metrics": {"accuracy": 0.5, "charm": 1.0}},
        {"metrics": [0.5]},
        {"intervals": {"charm": [0, 1]}},
        {"intervals": {"accuracy": [0, math.nan]}},
        {"intervals": {"accuracy": 3}},
        {"intervals": None},
    ],
)
def test_a_strange_result_is_a_failure(changes: dict[str, Any], tmp_path: Path) -> None:
    saved(tmp_path / "outcomes.parquet", b"PAR1")
    assert isinstance(checked_run(Answer(GOOD, 1.0), job(), LIMITS, tmp_path), SuiteRun)
    found = checked_run(Answer(GOOD | changes, 1.0), job(), LIMITS, tmp_path)
    assert found == SuiteFailure("The evaluation left a result that cannot be used.", "crash")


def test_strange_outcomes_are_a_failure(tmp_path: Path) -> None:
    secret = saved(tmp_path / "secret", b"PAR1")
    outcomes = tmp_path / "outcomes.parquet"
    assert isinstance(checked_run(Answer(GOOD, 1.0), job(), LIMITS, tmp_path), SuiteFailure)
    outcomes.symlink_to(secret)
    assert isinstance(checked_run(Answer(GOOD, 1.0), job(), LIMITS, tmp_path), SuiteFailure)
    outcomes.unlink()
    saved(outcomes, b"something else")
    assert isinstance(checked_run(Answer(GOOD, 1.0), job(), LIMITS, tmp_path), SuiteFailure)
    saved(outcomes, b"PAR1")
    assert isinstance(checked_run(Answer(GOOD, 1.0), job(), Limits(written=3), tmp_path), SuiteFailure)
