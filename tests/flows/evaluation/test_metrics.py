"""Every metric against scikit-learn, with weights, so that each draw of the bootstrap is right too."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from flows.evaluation.classes import Classified
from flows.evaluation.intervals import bootstrap, wilson
from flows.evaluation.job import RefusedError
from flows.evaluation.metrics import (
    binary_estimators,
    evaluate,
    multiclass_estimators,
    regression_estimators,
)
from governance.suites.catalogue import METRICS, TaskType

BINARY = tuple(sorted(METRICS[TaskType.BINARY]))
MULTICLASS = (*sorted(METRICS[TaskType.MULTICLASS]), "roc_auc_ovr", "brier_score_loss")
REGRESSION = tuple(sorted(METRICS[TaskType.REGRESSION]))


def _data(seed: int, n: int, k: int) -> tuple[Classified, NDArray[np.float64]]:
    """(random answers with ties and every class present, weights with zeros)."""
    random = np.random.default_rng(seed)
    target = np.r_[np.arange(k), random.integers(0, k, n)]
    scores = np.round(random.dirichlet(np.ones(k), n + k), 2)
    scores[:, 0] = 1 - scores[:, 1:].sum(axis=1)
    scores = np.abs(scores) / np.abs(scores).sum(axis=1, keepdims=True)
    predicted = np.where(random.random(n + k) < 0.5, target, random.integers(0, k, n + k))
    weights = np.r_[np.ones(k), random.integers(0, 4, n)].astype(float)
    return Classified(tuple("abcdefgh"[:k]), target, predicted, scores), weights


def _expected_binary(name: str, data: Classified, positive: int, weights: Any) -> float:
    truth, guess = data.target == positive, data.predicted == positive
    assert data.scores is not None
    score = data.scores[:, positive]
    given_labels = {
        "accuracy": reference.accuracy_score,
        "balanced_accuracy": reference.balanced_accuracy_score,
        "precision": functools.partial(reference.precision_score, zero_division=0),
        "recall": functools.partial(reference.recall_score, zero_division=0),
        "f1": functools.partial(reference.f1_score, zero_division=0),
    }
    given_scores = {
        "roc_auc": reference.roc_auc_score,
        "log_loss": reference.log_loss,
        "brier_score_loss": reference.brier_score_loss,
    }
    if name in given_labels:
        return float(given_labels[name](truth, guess, sample_weight=weights))
    return float(given_scores[name](truth, score, sample_weight=weights))


def _expected_multiclass(name: str, data: Classified, weights: Any) -> float:
    labels = list(range(len(data.labels)))
    averaged = {
        "precision_macro": reference.precision_score,
        "recall_macro": reference.recall_score,
        "f1_macro": reference.f1_score,
    }
    if name in averaged:
        return float(
            averaged[name](data.target, data.predicted, average="macro", sample_weight=weights, zero_division=0)
        )
    if name == "accuracy":
        return float(reference.accuracy_score(data.target, data.predicted, sample_weight=weights))
    if name == "balanced_accuracy":
        return float(reference.balanced_accuracy_score(data.target, data.predicted, sample_weight=weights))
    if name == "roc_auc_ovr":
        return float(reference.roc_auc_score(data.target, data.scores, multi_class="ovr", sample_weight=weights))
    if name == "log_loss":
        return float(reference.log_loss(data.target, data.scores, sample_weight=weights, labels=labels))
    return float(reference.brier_score_loss(data.target, data.scores, sample_weight=weights, labels=labels))


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.sampled_from([0, 1]))
@settings(max_examples=60, deadline=None)
def test_binary_metrics(seed: int, n: int, positive: int) -> None:
    data, weights = _data(seed, n, 2)
    for name, estimator in binary_estimators(data, positive, BINARY).items():
        for weight in (np.ones(len(weights)), weights):
            expected = _expected_binary(name, data, positive, weight)
            assert estimator(weight) == pytest.approx(expected, abs=1e-9), name


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(3, 6))
@settings(max_examples=60, deadline=None)
def test_multiclass_metrics(seed: int, n: int, k: int) -> None:
    data, weights = _data(seed, n, k)
    for name, estimator in multiclass_estimators(data, MULTICLASS).items():
        for weight in (np.ones(len(weights)), weights):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn warns about classes that are never predicted
                expected = _expected_multiclass(name, data, weight)
            assert estimator(weight) == pytest.approx(expected, abs=1e-9), name


@given(st.integers(0, 2**32 - 1), st.integers(2, 80))
@settings(max_examples=60, deadline=None)
def test_regression_metrics(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    target, predicted = random.normal(50, 10, n), random.normal(50, 10, n)
    weights = np.r_[1, 1, random.integers(0, 4, n - 2)].astype(float)
    values = regression_estimators(target, predicted, REGRESSION)
    expected = {
        "r2": reference.r2_score,
        "mean_absolute_error": reference.mean_absolute_error,
        "root_mean_squared_error": reference.root_mean_squared_error,
    }
    for name, function in expected.items():
        for weight in (np.ones(n), weights):
            assert values[name](weight) == pytest.approx(function(target, predicted, sample_weight=weight)), name
    assert values["max_error"](np.ones(n)) == pytest.approx(reference.max_error(target, predicted))


def test_a_constant_target() -> None:
    for predicted, expected in ((np.full(3, 5.0), 1.0), (np.array([5.0, 5.0, 6.0]), 0.0)):
        target = np.full(3, 5.0)
        assert evaluate(regression_estimators(target, predicted, ("r2",)), 3) == {"r2": expected}
        assert reference.r2_score(target, predicted) == expected


def test_plain_names_mean_the_macro_average() -> None:
    data, _ = _data(5, 50, 3)
    names = ("precision", "precision_macro", "f1", "f1_macro", "roc_auc", "roc_auc_ovr")
    values = evaluate(multiclass_estimators(data, names), len(data.target))
    assert values["precision"] == values["precision_macro"]
    assert values["f1"] == values["f1_macro"]
    assert values["roc_auc"] == values["roc_auc_ovr"]


def test_what_cannot_be_computed_is_refused() -> None:
    data, _ = _data(1, 20, 2)
    one_class = Classified(data.labels, np.zeros_like(data.target), data.predicted, data.scores)
    no_scores = Classified(data.labels, data.target, data.predicted, None)
    assert data.scores is not None
    margins = Classified(data.labels, data.target, data.predicted, data.scores * 7)
    for case, name, words in (
        (one_class, "roc_auc", "not defined"),
        (no_scores, "log_loss", "labels alone"),
        (margins, "log_loss", "needs probabilities"),
        (margins, "brier_score_loss", "needs probabilities"),
        (data, "charm", "does not exist"),
    ):
        with pytest.raises(RefusedError, match=words):
            evaluate(binary_estimators(case, 1, (name,)), len(data.target))
    assert 0 <= evaluate(binary_estimators(margins, 1, ("roc_auc",)), len(data.target))["roc_auc"] <= 1
    with pytest.raises(RefusedError, match="not defined"):
        evaluate(regression_estimators(np.ones(1), np.ones(1), ("r2",)), 1)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_against_scipy(hits: int, n: int) -> None:
    hits = min(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_without_trials() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_is_repeatable_and_of_the_right_width() -> None:
    random = np.random.default_rng(3)
    target = random.normal(0, 1, 400)
    predicted = target + random.normal(0, 1, 400)
    estimators = regression_estimators(target, predicted, ("mean_absolute_error",))
    first, second = bootstrap(estimators, 400), bootstrap(estimators, 400)
    assert first == second
    low, high = first["mean_absolute_error"]
    error = np.abs(predicted - target)
    assert low < error.mean() < high
    assert (high - low) / 2 == pytest.approx(1.96 * error.std() / math.sqrt(400), rel=0.25)


def test_bootstrap_knows_its_bounds() -> None:
    for n in (9, 50_001):
        estimators = regression_estimators(np.arange(float(n)), np.zeros(n), ("mean_absolute_error",))
        assert bootstrap(estimators, n) == {}
    rare = Classified(("a", "b"), np.r_[1, np.zeros(39, dtype=int)], np.zeros(40, dtype=int), np.full((40, 2), 0.5))
    assert "roc_auc" in bootstrap(binary_estimators(rare, 1, ("roc_auc",)), 40)  # undefined on a third of the draws
    assert bootstrap({"never": lambda weights: math.nan}, 40) == {}
