"""Bring the dataset's labels and the model's answers to one numbering of the classes.

Labels meet as text, so that the 1 of a CSV file, the 1 of a model and the "1" of another are the same class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.dataset import Labels
from flows.evaluation.job import RefusedError
from flows.evaluation.runners.shapes import ClassOutput

NAMED = 5


@dataclass(frozen=True)
class Classified:
    """n examples of K classes. labels: K texts in the model's order (numbers by value, text by alphabet).

    target, predicted: shape (n,), positions in `labels`. scores: shape (n, K) or None; column k belongs to
    labels[k]. A binary model with a single score column has scores (n, 2), its score and 1 minus it.
    """

    labels: tuple[str, ...]
    target: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float64] | None

    def position(self, label: str) -> int:
        """Raises RefusedError when there is no such class."""
        if label not in self.labels:
            raise RefusedError(
                "dataset", f"The positive label {label!r} is not one of the classes {_listed(self.labels)}."
            )
        return self.labels.index(label)


def classified(truth: Labels, answer: ClassOutput, *, limit: int) -> Classified:
    """Raises RefusedError when a label of the dataset is unknown to the model, or the classes cannot be told
    apart."""
    answered, predicted = np.unique(answer.labels, return_inverse=True)
    target = _as_text(truth.values, numeric=answered.dtype.kind in "iu")
    guesses = [str(value) for value in answered.tolist()]
    scores = answer.scores
    if scores is not None and scores.shape[1] == 1:
        scores = np.hstack([1 - scores, scores])
    if answer.classes is not None:
        labels = tuple(str(label) for label in answer.classes)
    else:
        labels = _inferred(guesses, target, None if scores is None else scores.shape[1])
    if len(labels) > limit:
        raise RefusedError("model", f"The model has {len(labels)} classes; at most {limit} are allowed.")
    if unknown := [label for label in target if label not in labels]:
        raise RefusedError(
            "dataset", f"The dataset has the label {_listed(unknown)}; the model knows {_listed(labels)}."
        )
    if stray := [label for label in guesses if label not in labels]:
        raise RefusedError(
            "model", f"The model answers {_listed(stray)}, which is none of its classes {_listed(labels)}."
        )
    place = {label: position for position, label in enumerate(labels)}
    return Classified(
        labels,
        np.array([place[label] for label in target], dtype=np.int64)[truth.index],
        np.array([place[label] for label in guesses], dtype=np.int64)[predicted],
        scores,
    )


def _as_text(values: tuple[int | str | bool, ...], *, numeric: bool) -> list[str]:
    """Booleans are 0 and 1 to a model that answers numbers, and "False" and "True" to one that answers
    text."""
    return [str(int(value)) if isinstance(value, bool) and numeric else str(value) for value in values]


def _inferred(guesses: list[str], target: list[str], width: int | None) -> tuple[str, ...]:
    """The classes of a model that does not name them: those seen, which must fit its `width` columns."""
    seen = sorted(set(guesses) | set(target), key=_natural)
    if width is None or len(seen) == width:
        if not set(guesses) & set(target):
            raise RefusedError(
                "dataset",
                f"The dataset has the label {_listed(target)}; the model answers {_listed(guesses)}.",
            )
        return tuple(seen)
    numbered = [str(position) for position in range(width)]
    if set(seen) <= set(numbered):
        return tuple(numbered)
    if len(seen) > width:
        raise RefusedError(
            "dataset",
            f"The dataset has the label {_listed(target)}; the model has {width} classes "
            f"and answers {_listed(guesses)}.",
        )
    raise RefusedError(
        "model",
        f"The model has {width} score columns and the data show only {_listed(seen)}: which column is which "
        "class cannot be told. Convert it with zipmap, or use the labels 0 to K-1.",
    )


def _natural(label: str) -> tuple[int, int, str]:
    """Whole numbers by value, before text by alphabet."""
    digits = label.removeprefix("-")
    numeric = digits.isascii() and digits.isdigit() and len(digits) < 20
    return (0, int(label), "") if numeric else (1, 0, label)


def _listed(labels: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:NAMED])
    return shown if len(labels) <= NAMED else f"{shown} and {len(labels) - NAMED} more"
