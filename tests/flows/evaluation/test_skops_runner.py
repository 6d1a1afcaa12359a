"""Estimators of scikit-learn from skops files: real ones are asked, anything that is not trusted is not built."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flows.evaluation.job import RefusedError, SuiteFailure, SuiteRun
from flows.evaluation.runners import RunnerSpec
from flows.evaluation.runners.shapes import Columns
from flows.evaluation.runners.skops import SkopsModel
from flows.evaluation.suite import run_suite
from flows.weights import inspect_weights
from tests.flows.evaluation.samples import LIMITS, columns_of, converted, job, parquet, saved, spec_of, split, trained


def file_of(folder: Path, estimator: Any) -> Path:
    return saved(folder / "model.skops", skops.io.dumps(estimator))


def features(name: str) -> Columns:
    return {key: column for key, column in columns_of(name).items() if key != "target"}


@functools.cache
def forest() -> Any:
    x, _, y, _, _ = split("cancer")
    return RandomForestClassifier(10, random_state=0).fit(x, y)


@pytest.fixture(autouse=True)
def own_warnings() -> Any:
    """The runner silences warnings for good, as it may in a process of its own."""
    with warnings.catch_warnings():
        yield


def test_it_judges_as_the_same_model_in_onnx(tmp_path: Path) -> None:
    data = parquet(tmp_path / "data", columns_of("cancer"))
    asked = job(metrics=("accuracy", "roc_auc", "log_loss"))
    specs = [RunnerSpec("skops", str(file_of(tmp_path, trained("cancer")))), spec_of(tmp_path, converted("cancer"))]
    runs = [run_suite(spec, data, asked, limits=LIMITS, work_dir=tmp_path) for spec in specs]
    ours, onnx = runs
    assert isinstance(ours, SuiteRun), ours
    assert isinstance(onnx, SuiteRun), onnx
    assert ours.metrics["accuracy"] == onnx.metrics["accuracy"]
    assert ours.metrics["log_loss"] == pytest.approx(onnx.metrics["log_loss"], rel=1e-2)


def test_a_regressor_and_text_labels(tmp_path: Path) -> None:
    values = SkopsModel(file_of(tmp_path, trained("diabetes"))).regress(features("diabetes"))
    assert values == pytest.approx(trained("diabetes").predict(split("diabetes")[1]), rel=1e-4)
    x, test, y, _, _ = split("iris")
    named = LogisticRegression(max_iter=2000).fit(x, np.array(["a", "b", "c"])[y])
    answer = SkopsModel(file_of(tmp_path, named)).classify(features("iris"))
    assert answer.classes == ("a", "b", "c")
    assert answer.labels.tolist() == named.predict(test).tolist()
    assert answer.scores is not None
    assert answer.scores.shape == (len(test), 3)


@pytest.mark.parametrize("kind", [RandomForestClassifier, HistGradientBoostingClassifier, KNeighborsClassifier])
def test_trees_and_neighbours_are_trusted_by_inspection_and_runner_alike(tmp_path: Path, kind: Any) -> None:
    x, test, y, _, _ = split("cancer")
    estimator = forest() if kind is RandomForestClassifier else kind().fit(x, y)
    path = file_of(tmp_path, estimator)
    found = inspect_weights(path)
    assert (found.format, found.safe) == ("skops", True), found.reason
    labels = SkopsModel(path).classify(features("cancer")).labels
    assert (labels == estimator.predict(test)).mean() > 0.99


def test_a_model_of_named_columns_gets_them_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 0.0, 1.0], "b": [5.0, 5.0, 6.0, 6.0]})
    chosen = ColumnTransformer([("a", StandardScaler(), ["a"])])
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    runner = SkopsModel(file_of(tmp_path, model))
    assert runner.classify({"b": np.zeros(2), "a": np.array([0.0, 1.0])}).labels.tolist() == [0, 1]
    with pytest.raises(RefusedError, match="takes a column 'a'"):
        runner.classify({"b": np.zeros(2), "c": np.zeros(2)})


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (lambda: FunctionTransformer(os.system), "system"),
        (lambda: make_pipeline(FunctionTransformer(np.mean), trained("cancer")), "numpy.mean"),
        (lambda: {"model": trained("cancer"), "then": Path}, "pathlib"),
    ],
)
def test_what_is_not_trusted_is_refused_by_name_and_not_built(tmp_path: Path, thing: Any, named: str) -> None:
    path = file_of(tmp_path, thing())
    data = parquet(tmp_path / "data", columns_of("cancer"))
    run = run_suite(RunnerSpec("skops", str(path)), data, job(), limits=LIMITS, work_dir=tmp_path)
    assert isinstance(run, SuiteFailure)
    assert run.kind == "model"
    assert "not trusted" in run.reason
    assert named in run.reason
    assert not inspect_weights(path).safe


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (lambda: {"a": 1}, "cannot predict"),
        (lambda: trained("diabetes"), "no classifier"),
        (lambda: StandardScaler().fit(split("cancer")[0]), "cannot predict"),
        (lambda: trained("iris"), "takes 4 features; the dataset gives 30"),
    ],
)
def test_what_cannot_answer_says_why(tmp_path: Path, thing: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        SkopsModel(file_of(tmp_path, thing())).classify(features("cancer"))


@pytest.mark.parametrize("content", [b"\x80\x05N.", b"PK\x03\x04", b"", b"no archive"])
def test_a_file_that_is_no_skops_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RefusedError, match="no valid skops"):
        SkopsModel(saved(tmp_path / "model", content))
