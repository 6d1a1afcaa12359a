"""Per-example outcomes of an evaluation: what makes two evaluations comparable later.

Columns: example (int64, row of the dataset from 0), target, prediction, and
classification: target and prediction as text, correct (bool), score (probability of the positive class, or
of the predicted class with more than two; null when the model gives none);
regression: target and prediction as float64, loss (float64, |prediction - target|), score (null).
and a text column `slice.<column>` for every column that the suite looks at its examples by.
A suite without a dataset has one row a case: example is the case's position in the suite, target its id, prediction
its outcome, correct whether it passed.
The file holds no time and no path: the same predictions give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.evaluation.classes import Classified
from flows.evaluation.dataset import Labels

CLASSIFICATION = pa.schema(
    [
        ("example", pa.int64()),
        ("target", pa.string()),
        ("prediction", pa.string()),
        ("correct", pa.bool_()),
        ("score", pa.float64()),
    ]
)
REGRESSION = pa.schema(
    [
        ("example", pa.int64()),
        ("target", pa.float64()),
        ("prediction", pa.float64()),
        ("loss", pa.float64()),
        ("score", pa.float64()),
    ]
)


SLICE = "slice."  # begins the names of the further columns
NO_SLICES: Mapping[str, Labels] = {}


def write_classification(
    path: Path, data: Classified, positive: int | None, slices: Mapping[str, Labels] = NO_SLICES
) -> None:
    """positive: position of the positive class of two; None scores the predicted class."""
    n = len(data.target)
    score = pa.nulls(n, pa.float64())
    if data.scores is not None:
        column = data.predicted if positive is None else np.full(n, positive)
        score = pa.array(data.scores[np.arange(n), column])
    labels = pa.array(data.labels, pa.string())
    columns = [
        pa.array(np.arange(n)),
        labels.take(pa.array(data.target)),
        labels.take(pa.array(data.predicted)),
        pa.array(data.target == data.predicted),
        score,
    ]
    _write(path, columns, CLASSIFICATION, slices)


def write_regression(
    path: Path,
    target: NDArray[np.float64],
    predicted: NDArray[np.float64],
    slices: Mapping[str, Labels] = NO_SLICES,
) -> None:
    n = len(target)
    columns = [np.arange(n), target, predicted, np.abs(predicted - target)]
    _write(path, [*map(pa.array, columns), pa.nulls(n, pa.float64())], REGRESSION, slices)


def write_cases(path: Path, cases: Sequence[tuple[int, str, str]]) -> None:
    """cases: (position in the suite, id, outcome) of each."""
    ordered = sorted(cases)
    columns = [
        pa.array([position for position, _, _ in ordered], pa.int64()),
        pa.array([identifier for _, identifier, _ in ordered], pa.string()),
        pa.array([outcome for _, _, outcome in ordered], pa.string()),
        pa.array([outcome == "passed" for _, _, outcome in ordered], pa.bool_()),
        pa.nulls(len(ordered), pa.float64()),
    ]
    _write(path, columns, CLASSIFICATION, NO_SLICES)


def _write(path: Path, columns: list[Any], schema: pa.Schema, slices: Mapping[str, Labels]) -> None:
    import pyarrow.parquet as pq

    for name, values in slices.items():
        schema = schema.append(pa.field(SLICE + name, pa.string()))
        columns.append(pa.array([str(value) for value in values.values], pa.string()).take(pa.array(values.index)))
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd")
