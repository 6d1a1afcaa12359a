"""The shapes in which examples go into a model and its answers come out, whatever runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.job import NotFiniteError, RefusedError

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ClassOutput:
    """labels: shape (n,), int64 or text. scores: shape (n, K) float64 or None. classes: K labels when it
    says so."""

    labels: NDArray[Any]
    scores: NDArray[np.float64] | None
    classes: tuple[int | str, ...] | None


def slices(features: Columns, size: int, *, fixed: bool) -> Iterator[tuple[int, Columns]]:
    """(number of rows, those rows) one slice of at most `size` after the other.

    fixed: every slice has `size` rows; the last one is filled up with its last row.
    """
    total = len(next(iter(features.values())))
    for start in range(0, total, size):
        part = {name: column[start : start + size] for name, column in features.items()}
        rows = min(size, total - start)
        if fixed:
            part = {name: np.pad(column, (0, size - rows), mode="edge") for name, column in part.items()}
        yield rows, part


def cast(column: NDArray[Any], dtype: type[np.generic], name: str) -> NDArray[Any]:
    if dtype in (np.int64, np.int32) and column.dtype.kind == "f" and not (column == np.round(column)).all():
        raise RefusedError(
            "dataset", f"Column {name!r} holds fractions or missing values; the model takes whole numbers."
        )
    if dtype is np.bool_ and not np.isin(column, (0, 1)).all():
        raise RefusedError("dataset", f"Column {name!r} holds more than 0 and 1; the model takes booleans.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast_column = column.astype(dtype)
    overflow = (
        np.isinf(cast_column).any()
        if cast_column.dtype.kind == "f"
        else dtype is np.int32 and (cast_column != column).any()
    )
    if overflow:
        raise RefusedError("dataset", f"Column {name!r} holds values too large for the model's {np.dtype(dtype).name}.")
    return cast_column


def label_tensor(output: Any, rows: int) -> NDArray[Any]:
    labels = np.asarray(output)
    if labels.shape not in ((rows,), (rows, 1)):
        raise RefusedError("model", f"The model answers {labels.shape} labels for {rows} rows.")
    labels = labels.reshape(rows)
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels.astype(np.str_)


def score_tensor(output: Any, rows: int) -> NDArray[np.float64]:
    matrix = np.asarray(output, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != rows or matrix.shape[1] < 1:
        raise RefusedError("model", f"The model answers scores of shape {matrix.shape} for {rows} rows.")
    refuse_not_finite(matrix)
    return matrix


def number_tensor(output: Any, rows: int) -> NDArray[np.float64]:
    """Shape (rows,). Whether the numbers are finite is for the caller to see, who knows all the rows."""
    values = np.asarray(output, dtype=np.float64)
    if values.shape not in ((rows,), (rows, 1)):
        raise RefusedError("model", f"The model answers shape {values.shape} for {rows} rows.")
    return values.reshape(rows)


def refuse_not_finite(values: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(values if values.ndim == 1 else values.sum(axis=1))
    if bad.any():
        raise NotFiniteError(
            "model",
            f"The model answers NaN or infinity for {int(bad.sum())} rows, first row {int(np.argmax(bad))}.",
        )
