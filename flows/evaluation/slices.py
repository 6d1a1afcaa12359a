"""The task metrics of a part of the examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation import intervals, metrics
from flows.evaluation.classes import Classified
from flows.evaluation.dataset import Labels
from flows.evaluation.job import SliceRun

# (mask of shape (n,), names of task metrics) → their values on the chosen examples. Raises RefusedError for a metric
# that the model cannot be given at all; one that is not defined on these examples is left out.
Look = Callable[[NDArray[np.bool_], tuple[str, ...]], SliceRun]
Shares = Mapping[str, tuple[float, float]]


def by_slice(columns: Mapping[str, Labels], names: tuple[str, ...], look: Look) -> dict[str, SliceRun]:
    """By "column=value", every value of every column."""
    return {
        f"{column}={value}": look(labels.index == place, names)
        for column, labels in columns.items()
        for place, value in enumerate(labels.values)
    }


def looking_at_classes(data: Classified, positive: int | None) -> Look:
    """positive: position of the positive class of two, None with more than two."""

    def look(chosen: NDArray[np.bool_], names: tuple[str, ...]) -> SliceRun:
        scores = None if data.scores is None else data.scores[chosen]
        part = Classified(data.labels, data.target[chosen], data.predicted[chosen], scores)
        if positive is None:
            return summed(metrics.multiclass_estimators(part, names), shares(part, None), len(part.target))
        return summed(metrics.binary_estimators(part, positive, names), shares(part, positive), len(part.target))

    return look


def looking_at_numbers(target: NDArray[np.float64], predicted: NDArray[np.float64]) -> Look:
    def look(chosen: NDArray[np.bool_], names: tuple[str, ...]) -> SliceRun:
        found = metrics.regression_estimators(target[chosen], predicted[chosen], names)
        return summed(found, {}, int(chosen.sum()))

    return look


def summed(estimators: Mapping[str, metrics.Estimator], known: Shares, n: int) -> SliceRun:
    """Values and intervals; known: the intervals that have a formula."""
    values = {name: estimator(np.ones(n)) for name, estimator in estimators.items()}
    finite = {name: value for name, value in values.items() if np.isfinite(value)}
    uncertain = {name: estimators[name] for name in finite if name not in known and name != "max_error"}
    found = {name: known[name] for name in finite if name in known} | intervals.bootstrap(uncertain, n)
    return SliceRun(n, finite, found)


def shares(data: Classified, positive: int | None) -> dict[str, tuple[float, float]]:
    """Wilson's intervals of the metrics that are proportions."""
    found = {"accuracy": _share(data, None, None)}
    if positive is not None:
        found |= {"precision": _share(data, None, positive), "recall": _share(data, positive, None)}
    return found


def _share(data: Classified, target: int | None, predicted: int | None) -> tuple[float, float]:
    """Of the share of right answers, among one true or one predicted class if given."""
    of = np.ones(len(data.target), dtype=bool)
    if target is not None:
        of &= data.target == target
    if predicted is not None:
        of &= data.predicted == predicted
    return intervals.wilson(float((of & (data.target == data.predicted)).sum()), float(of.sum()))


def told(run: SliceRun) -> dict[str, Any]:
    return {
        "n": run.n,
        "metrics": dict(run.metrics),
        "intervals": {name: list(pair) for name, pair in run.intervals.items()},
    }
