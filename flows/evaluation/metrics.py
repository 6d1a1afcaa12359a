"""Task metrics under their scikit-learn names, as functions of example weights.

Every metric is written as a function of a weight per example: with all weights one it is the metric, with
the counts of a resample it is one draw of the bootstrap (`flows.evaluation.intervals`). The formulas are
scikit-learn's with its defaults (an undefined precision, recall or F1 is 0; the Brier score of two classes
is halved), written out here because importing sklearn.metrics costs a second of processor time, several
times the evaluation of a small model. Probabilities are scaled to a row sum of one in double precision
first. The tests compare every metric with scikit-learn.

Multi-class: precision_macro, recall_macro, f1_macro and roc_auc_ovr are scikit-learn's scorer names; the
plain names mean the same. A metric that the data cannot give (ROC with one class) is refused, never reported
as NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.classes import Classified
from flows.evaluation.job import RefusedError

Floats = NDArray[np.float64]
# weights of shape (n,), at least one above zero → the value, or NaN where it is not defined
Estimator = Callable[[Floats], float]


def binary_estimators(data: Classified, positive: int, names: tuple[str, ...]) -> dict[str, Estimator]:
    """The metrics of two classes; `positive` is a position in data.labels. Raises RefusedError."""
    known = {
        "accuracy": lambda: _from_confusion(data, accuracy),
        "balanced_accuracy": lambda: _from_confusion(data, balanced_accuracy),
        "precision": lambda: _from_confusion(data, lambda table: float(_precision(table)[positive])),
        "recall": lambda: _from_confusion(data, lambda table: float(_recall(table)[positive])),
        "f1": lambda: _from_confusion(data, lambda table: float(_f1(table)[positive])),
        "roc_auc": lambda: _roc_auc(_scores(data, "roc_auc")[:, positive], data.target == positive),
        "log_loss": lambda: _mean(_surprise(data)),
        "brier_score_loss": lambda: _mean(_squared_error(data) / 2),
    }
    return _chosen(known, names)


def multiclass_estimators(data: Classified, names: tuple[str, ...]) -> dict[str, Estimator]:
    """The metrics of K classes, macro-averaged. Raises RefusedError."""
    known: dict[str, Callable[[], Estimator]] = {
        "accuracy": lambda: _from_confusion(data, accuracy),
        "balanced_accuracy": lambda: _from_confusion(data, balanced_accuracy),
        "precision_macro": lambda: _from_confusion(data, lambda table: _macro(table, _precision)),
        "recall_macro": lambda: _from_confusion(data, lambda table: _macro(table, _recall)),
        "f1_macro": lambda: _from_confusion(data, lambda table: _macro(table, _f1)),
        "roc_auc_ovr": lambda: _one_versus_rest(data),
        "log_loss": lambda: _mean(_surprise(data)),
        "brier_score_loss": lambda: _mean(_squared_error(data)),
    }
    known |= {name.rpartition("_")[0]: known[name] for name in known if name.endswith(("_macro", "_ovr"))}
    return _chosen(known, names)


def regression_estimators(target: Floats, predicted: Floats, names: tuple[str, ...]) -> dict[str, Estimator]:
    """The metrics of numbers; both arrays of shape (n,). Raises RefusedError."""
    error = predicted - target
    square = _mean(error**2)
    return _chosen(
        {
            "r2": lambda: _r2(target, error),
            "mean_absolute_error": lambda: _mean(np.abs(error)),
            "root_mean_squared_error": lambda: lambda weights: float(np.sqrt(square(weights))),
            "max_error": lambda: lambda weights: float(np.abs(error)[weights > 0].max()),
        },
        names,
    )


def evaluate(estimators: Mapping[str, Estimator], n: int) -> dict[str, float]:
    """The metrics of n examples. Raises RefusedError for one that is not defined on them."""
    values = {name: estimator(np.ones(n)) for name, estimator in estimators.items()}
    for name, value in values.items():
        if not np.isfinite(value):
            raise RefusedError(
                "dataset", f"The metric {name!r} is not defined on this dataset (a class or variation lacks)."
            )
    return values


def confusion(data: Classified, weights: Floats) -> Floats:
    """Shape (K, K): weight of the examples of class i that were taken for class j."""
    k = len(data.labels)
    cells = np.bincount(data.target * k + data.predicted, weights=weights, minlength=k * k)
    return cells.astype(np.float64).reshape(k, k)


def accuracy(table: Floats) -> float:
    return float(np.trace(table) / table.sum())


def balanced_accuracy(table: Floats) -> float:
    """Mean recall of the classes that occur."""
    return float(_recall(table)[table.sum(axis=1) > 0].mean())


def _chosen(known: Mapping[str, Callable[[], Estimator]], names: tuple[str, ...]) -> dict[str, Estimator]:
    if unknown := [name for name in names if name not in known]:
        raise RefusedError(
            "dataset", f"The metric {unknown[0]!r} does not exist here; there are {', '.join(sorted(known))}."
        )
    return {name: known[name]() for name in names}


def _from_confusion(data: Classified, value: Callable[[Floats], float]) -> Estimator:
    return lambda weights: value(confusion(data, weights))


def _precision(table: Floats) -> Floats:
    return _divided(table.diagonal(), table.sum(axis=0))


def _recall(table: Floats) -> Floats:
    return _divided(table.diagonal(), table.sum(axis=1))


def _f1(table: Floats) -> Floats:
    return _divided(2 * table.diagonal(), table.sum(axis=0) + table.sum(axis=1))


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _macro(table: Floats, per_class: Callable[[Floats], Floats]) -> float:
    """Mean over the classes that occur or are predicted."""
    return float(per_class(table)[(table.sum(axis=0) + table.sum(axis=1)) > 0].mean())


def _mean(values: Floats) -> Estimator:
    return lambda weights: float(weights @ values / weights.sum())


def _r2(target: Floats, error: Floats) -> Estimator:
    def value(weights: Floats) -> float:
        if np.count_nonzero(weights) < 2:
            return float("nan")
        total = weights @ (target - weights @ target / weights.sum()) ** 2
        left = weights @ error**2
        return float(1 - left / total) if total > 0 else float(left == 0)

    return value


def _roc_auc(scores: Floats, positive: NDArray[np.bool_]) -> Estimator:
    """Probability that a positive example has the higher score; ties count half."""
    order = np.argsort(scores, kind="stable")
    ordered, hit = scores[order], positive[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] > ordered[:-1]])  # of each group of equal scores

    def value(weights: Floats) -> float:
        weight = weights[order]
        positives = np.add.reduceat(weight * hit, starts)
        negatives = np.add.reduceat(weight * ~hit, starts)
        pairs = positives.sum() * negatives.sum()
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / pairs) if pairs > 0 else float("nan")

    return value


def _one_versus_rest(data: Classified) -> Estimator:
    scores = _scores(data, "roc_auc_ovr")
    curves = [_roc_auc(scores[:, k], data.target == k) for k in range(len(data.labels))]
    return lambda weights: float(np.mean([curve(weights) for curve in curves]))


def _surprise(data: Classified) -> Floats:
    """-log of the probability given to the true class, which is taken as at least 2.2e-16."""
    chosen = probabilities(data, "log_loss")[np.arange(len(data.target)), data.target]
    tiny = float(np.finfo(np.float64).eps)
    return -np.log(np.clip(chosen, tiny, 1 - tiny))


def _squared_error(data: Classified) -> Floats:
    """Sum over the classes of (probability - truth)², shape (n,)."""
    miss = probabilities(data, "brier_score_loss").copy()
    miss[np.arange(len(data.target)), data.target] -= 1
    squares: Floats = np.einsum("nk,nk->n", miss, miss)
    return squares


def _scores(data: Classified, metric: str) -> Floats:
    if data.scores is None:
        raise RefusedError("model", f"The metric {metric!r} needs scores; the model answers labels alone.")
    return data.scores


def probabilities(data: Classified, metric: str) -> Floats:
    """Shape (n, K), every row with the sum one. Raises RefusedError for scores that are none; `metric` needs them."""
    scores = _scores(data, metric)
    total = scores.sum(axis=1, keepdims=True)
    if scores.min() < -1e-6 or scores.max() > 1 + 1e-6 or np.abs(total - 1).max() > 1e-3:
        raise RefusedError("model", f"The metric {metric!r} needs probabilities; the model's scores are not.")
    scaled: Floats = np.clip(scores, 0, 1) / np.clip(scores, 0, 1).sum(axis=1, keepdims=True)
    return scaled
