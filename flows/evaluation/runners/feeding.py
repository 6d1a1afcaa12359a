"""How the columns of a dataset become the input tensors of a model.

One 2-D tensor takes all features in their order; otherwise each input takes the column of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.job import RefusedError
from flows.evaluation.runners.shapes import Columns, cast

Feed = Callable[[Columns], dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class TensorInput:
    """shape: one entry a dimension; what is not a number above 0 is open."""

    name: str
    dtype: type[np.generic]
    shape: tuple[Any, ...]


def feeding(inputs: Sequence[TensorInput], columns: list[str]) -> tuple[Feed, int | None]:
    """(how columns become the model's inputs, the model's fixed number of rows if it has one). Raises RefusedError."""
    batches = {item.shape[0] for item in inputs if item.shape and isinstance(item.shape[0], int) and item.shape[0] > 0}
    if len(batches) > 1:
        raise RefusedError("model", f"The model's inputs disagree on the number of rows: {sorted(batches)}.")
    batch = next(iter(batches), None)
    if len(inputs) == 1 and len(inputs[0].shape) in (0, 2):
        return _matrix(inputs[0], columns), batch
    return _by_name(inputs, columns), batch


def _matrix(item: TensorInput, columns: list[str]) -> Feed:
    width = item.shape[1] if len(item.shape) == 2 else None
    if isinstance(width, int) and width > 0 and width != len(columns):
        raise RefusedError("model", f"The model takes {width} features; the dataset gives {len(columns)}.")
    return lambda part: {item.name: np.stack([cast(part[c], item.dtype, c) for c in columns], axis=1)}


def _by_name(inputs: Sequence[TensorInput], columns: list[str]) -> Feed:
    missing = [item.name for item in inputs if item.name not in columns]
    unused = sorted(set(columns) - {item.name for item in inputs})
    if missing:
        raise RefusedError("model", f"The model takes a column {missing[0]!r}, which is not among the features.")
    if unused:
        raise RefusedError("model", f"The model does not take the column {unused[0]!r}; drop it or name the features.")
    for item in inputs:
        if len(item.shape) not in (1, 2) or (len(item.shape) == 2 and item.shape[1] not in (1, -1, None)):
            raise RefusedError("model", f"Input {item.name!r} has shape {list(item.shape)}; one column was expected.")

    def feed(part: Columns) -> dict[str, NDArray[Any]]:
        tensors = {item.name: cast(part[item.name], item.dtype, item.name) for item in inputs}
        return {i.name: tensors[i.name].reshape((-1, 1) if len(i.shape) == 2 else (-1,)) for i in inputs}

    return feed
