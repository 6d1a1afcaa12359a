"""Predictions of a scikit-learn estimator in a skops file, built of trusted types only and never from a pickle.

The estimator is given a matrix of float64 in the columns' order, or a data frame when it was fitted on named columns.
`predict_proba`, where there is one, gives the scores.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.confined import is_out_of_memory
from flows.evaluation.job import RefusedError
from flows.evaluation.runners.shapes import (
    ClassOutput,
    Columns,
    label_tensor,
    number_tensor,
    refuse_not_finite,
    score_tensor,
)
from flows.weights.skops_types import TRUSTED, foreign_types


class SkopsModel:
    """Raises RefusedError("model", …) for files that would build anything else, and for what is no estimator."""

    def __init__(self, path: Path) -> None:
        foreign = _step("The model is no valid skops file", lambda: foreign_types(path))
        if foreign:
            shown = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
            raise RefusedError("model", f"The skops file would build objects that are not trusted: {shown}.")
        warnings.simplefilter("ignore")  # of versions that differ: what the model answers is measured anyway
        import skops.io

        self._estimator: Any = _step("The model does not load", lambda: skops.io.load(path, trusted=list(TRUSTED)))
        if not callable(getattr(self._estimator, "predict", None)):
            raise RefusedError("model", f"The skops file holds {type(self._estimator).__name__}, which cannot predict.")

    def classify(self, features: Columns) -> ClassOutput:
        declared = getattr(self._estimator, "classes_", None)
        if not isinstance(declared, np.ndarray) or declared.ndim != 1 or not len(declared):
            raise RefusedError("model", f"{type(self._estimator).__name__} is no classifier of one target.")
        given, rows = self._given(features)
        labels = label_tensor(_step("The model fails on the data", lambda: self._estimator.predict(given)), rows)
        classes = tuple(label_tensor(declared, len(declared)).tolist())
        if not callable(getattr(self._estimator, "predict_proba", None)):
            return ClassOutput(labels, None, classes)
        answer = _step("The model fails on the data", lambda: self._estimator.predict_proba(given))
        scores = score_tensor(answer, rows)
        if scores.shape[1] != len(classes):
            raise RefusedError("model", f"The model has {len(classes)} classes and answers {scores.shape[1]} scores.")
        return ClassOutput(labels, scores, classes)

    def regress(self, features: Columns) -> NDArray[np.float64]:
        """Shape (n,)."""
        if hasattr(self._estimator, "classes_"):
            raise RefusedError("model", f"{type(self._estimator).__name__} is a classifier, no regressor.")
        given, rows = self._given(features)
        predicted = number_tensor(_step("The model fails on the data", lambda: self._estimator.predict(given)), rows)
        refuse_not_finite(predicted)
        return predicted

    def generate(self, prompts: Sequence[str]) -> list[str]:
        raise RefusedError("model", f"An estimator of scikit-learn writes no text for {len(prompts)} prompts.")

    def _given(self, features: Columns) -> tuple[Any, int]:
        rows = len(next(iter(features.values())))
        expected = getattr(self._estimator, "n_features_in_", None)
        if isinstance(expected, int) and expected != len(features):
            raise RefusedError("model", f"The model takes {expected} features; the dataset gives {len(features)}.")
        names = getattr(self._estimator, "feature_names_in_", None)
        if names is None:
            return np.stack([column.astype(np.float64) for column in features.values()], axis=1), rows
        if missing := [str(name) for name in names if str(name) not in features]:
            raise RefusedError("model", f"The model takes a column {missing[0]!r}, which is not among the features.")
        pandas = import_module("pandas")  # half a second, so only for a model that was fitted on a data frame
        return pandas.DataFrame({str(name): features[str(name)] for name in names}), rows


def _step(what: str, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except MemoryError:
        raise
    except Exception as error:  # a foreign estimator raises whatever it likes
        if is_out_of_memory(str(error)):
            raise MemoryError from error
        raise RefusedError("model", f"{what}: {error}") from error
