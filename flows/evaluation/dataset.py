"""Labelled examples from Parquet or CSV: numeric features and a target, checked before a model sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.evaluation.job import Limits, RefusedError, SuiteJob

NAMED = 5  # how many offenders a message names
MISSING = "(missing)"
MOST_SLICES = 50  # different values of a column that results are computed by


@dataclass(frozen=True)
class Labels:
    """A column of class labels: `values` distinct (int, bool or str), `index` of shape (n,) into them."""

    values: tuple[int | str | bool, ...]
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """features: column name → array of shape (n,), float64, int64 or bool, in the model's order; NaN is
    possible.

    target: Labels for classification, finite float64 of shape (n,) for regression.
    labelled: the columns that the job wants to look at the examples by, as text; MISSING where there is no value.
    """

    features: dict[str, NDArray[Any]]
    target: Labels | NDArray[np.float64]
    n: int
    labelled: dict[str, Labels] = field(default_factory=dict)


def load_dataset(path: Path, job: SuiteJob, limits: Limits) -> Dataset:
    """Raises RefusedError with a reason that names the column or row that cannot be used."""
    read = _read_parquet if job.dataset_format == "parquet" else _read_csv
    try:
        with path.open("rb") as file:
            table, wanted = read(file, job, limits)
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = f"The dataset is not readable as {job.dataset_format}: {error}"
        raise RefusedError("dataset", reason) from error
    if table.num_rows == 0:
        raise RefusedError("dataset", "The dataset has no rows.")
    _check_rows(table.num_rows, limits)
    features = {name: _feature(table.column(name), name) for name in wanted}
    name = _target(job)
    truth = table.column(name)
    target = _numbers(truth, name) if job.task_type == "regression" else _labels(truth, name, limits)
    labelled = {column: _texts(table.column(column), column) for column in job.labelled}
    for column in job.sliced:
        if (found := len(labelled[column].values)) > MOST_SLICES:
            raise RefusedError(
                "dataset", f"Column {column!r} has {found} different values; slices are by at most {MOST_SLICES}."
            )
    return Dataset(features, target, table.num_rows, labelled)


def _target(job: SuiteJob) -> str:
    if job.target is None:
        raise RefusedError("dataset", "The suite names no target column.")
    return job.target


def _read_parquet(file: BinaryIO, job: SuiteJob, limits: Limits) -> tuple[pa.Table, list[str]]:
    """(the columns that the job is about, the names of the features in the model's order). The other columns are not
    even decompressed."""
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    _check_rows(parquet.metadata.num_rows, limits)
    features = _feature_names(parquet.schema_arrow.names, job, limits)
    wanted = _wanted(job, features)
    return parquet.read(columns=wanted, use_threads=False).select(wanted), features


def _read_csv(file: BinaryIO, job: SuiteJob, limits: Limits) -> tuple[pa.Table, list[str]]:
    """(the columns that the job is about, the names of the features in the model's order)."""
    from pyarrow import csv

    # One block as large as the file: types are inferred from all of a column, not from its first rows.
    size = max(1, min(file.seek(0, 2) + 1, 2**31 - 1))
    file.seek(0)
    table = csv.read_csv(
        file,
        read_options=csv.ReadOptions(use_threads=False, block_size=size),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    features = _feature_names(table.column_names, job, limits)
    return table.select(_wanted(job, features)), features


def _wanted(job: SuiteJob, features: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([_target(job), *features, *job.labelled]))


def _check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.rows:
        raise RefusedError("dataset", f"The dataset has {rows} rows; at most {limits.rows} are allowed.")


def _check_names(names: Sequence[str], job: SuiteJob, limits: Limits) -> None:
    if len(names) > limits.columns:
        raise RefusedError("dataset", f"The dataset has {len(names)} columns; at most {limits.columns} are allowed.")
    present = Counter(names)
    if repeated := sorted(name for name, count in present.items() if count > 1):
        raise RefusedError("dataset", f"The dataset has more than one column named {_listed(repeated)}.")
    wanted = [_target(job), *job.drop, *job.labelled, *(job.features or ())]
    if missing := [name for name in dict.fromkeys(wanted) if name not in present]:
        raise RefusedError("dataset", f"The dataset has no column {_listed(missing)}; it has {_listed(names)}.")


def _feature_names(names: Sequence[str], job: SuiteJob, limits: Limits) -> list[str]:
    _check_names(names, job, limits)
    aside = {job.target, *job.drop}
    features = list(job.features) if job.features is not None else [name for name in names if name not in aside]
    if clash := [name for name in features if name in aside]:
        raise RefusedError(
            "dataset", f"Column {_listed(clash)} is a feature and at the same time the target or dropped."
        )
    if len(set(features)) < len(features):
        raise RefusedError("dataset", "A feature is named twice.")
    if not features:
        raise RefusedError("dataset", "No feature column is left beside the target.")
    return features


def _feature(column: pa.ChunkedArray, name: str) -> NDArray[Any]:
    column = _decoded(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise RefusedError("dataset", f"Column {name!r} holds {column.type} values; features must be numbers.")
    values: NDArray[Any] = column.to_numpy()  # a missing value becomes NaN
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        if np.isinf(values).any():
            raise RefusedError("dataset", f"Column {name!r} holds infinite values.")
    return values


def _labels(column: pa.ChunkedArray, name: str, limits: Limits) -> Labels:
    column = _decoded(column)
    _refuse_missing(column, name)
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        if not np.isfinite(values).all() or (values != np.round(values)).any() or (np.abs(values) > 2**53).any():
            raise RefusedError("dataset", f"Target {name!r} holds fractions; class labels are whole numbers or text.")
        column = pa.chunked_array([pa.array(values.astype(np.int64))])
    elif pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)):
        raise RefusedError("dataset", f"Target {name!r} holds {kind} values; class labels are whole numbers or text.")
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    if len(encoded.dictionary) > limits.classes:
        raise RefusedError("dataset", f"Target {name!r} has {len(encoded.dictionary)} different labels; is it a class?")
    return Labels(tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64))


def _numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    column = _decoded(column)
    _refuse_missing(column, name)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise RefusedError("dataset", f"Target {name!r} holds {column.type} values; regression needs numbers.")
    values: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise RefusedError("dataset", f"Target {name!r} holds infinite values.")
    return values


def _texts(column: pa.ChunkedArray, name: str) -> Labels:
    """Whole numbers, truth values and text, as text; a column of fractions is no way to tell examples apart."""
    column = _decoded(column)
    kind = column.type
    if pa.types.is_floating(kind):
        values = column.to_numpy()
        known = values[~np.isnan(values)]
        if not np.isfinite(known).all() or (known != np.round(known)).any() or (np.abs(known) > 2**53).any():
            raise RefusedError("dataset", f"Column {name!r} holds fractions; slices are by whole numbers or text.")
        column = pa.chunked_array([pa.array(values, from_pandas=True).cast(pa.int64())])
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    ):
        raise RefusedError("dataset", f"Column {name!r} holds {kind} values; slices are by whole numbers or text.")
    encoded = column.cast(pa.string()).fill_null(MISSING).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return Labels(tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64))


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _refuse_missing(column: pa.ChunkedArray, name: str) -> None:
    missing = column.is_null(nan_is_null=True).to_numpy()
    if missing.any():
        count, first = int(missing.sum()), int(np.argmax(missing))
        raise RefusedError(
            "dataset", f"Target {name!r} is missing (null or NaN) in {count} rows, first in row {first}."
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
