"""Sketches of a dataset and of predictions, as it runs in the confined process: files in, counts out.

Parquet is read one column at a time. CSV is read whole, as an evaluation reads it, under the same limit of memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.evaluation.job import RefusedError
from governance.drift.sketches import (
    INPUT,
    LONGEST_NAME,
    PREDICTION,
    Sketch,
    categorical_sketch,
    is_storable,
    numeric_sketch,
)

MOST_FEATURES = 1_000


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """job: {"dataset": path, "format", "target", "features": names or None, "outcomes": path or None, "rows": limit}.

    Returns {"sketches": [...], "omitted"}: columns that cannot be sketched (other types, no value, an unusable name)
    or are beyond the first 1,000. Raises RefusedError.
    """
    pa.set_cpu_count(1)
    try:
        return _sketched(job)
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise RefusedError("dataset", f"The dataset or the outcomes cannot be read: {error}") from error


def _sketched(job: Mapping[str, Any]) -> dict[str, Any]:
    path, rows = Path(job["dataset"]), int(job["rows"])
    columns = _parquet(path, job, rows) if job["format"] == "parquet" else _csv(path, job, rows)
    found: list[Sketch] = []
    omitted = 0
    for name, column in columns:
        usable = len(found) < MOST_FEATURES and 0 < len(name) <= LONGEST_NAME and is_storable(name)
        sketch = sketch_of(name, column(), INPUT) if usable else None
        if sketch is None:
            omitted += 1
        else:
            found.append(sketch)
    if job["outcomes"] is not None:
        answers = pq.ParquetFile(job["outcomes"]).read(columns=["prediction"], use_threads=False)["prediction"]
        if (sketch := sketch_of(PREDICTION, answers, PREDICTION)) is not None:
            found.append(sketch)
    return {"sketches": [sketch.to_json() for sketch in found], "omitted": omitted}


def _names(present: list[str], job: Mapping[str, Any]) -> list[str]:
    wanted = job["features"] if job["features"] is not None else [n for n in present if n != job["target"]]
    if len(set(present)) < len(present) or not set(wanted) <= set(present):
        raise RefusedError("dataset", "The dataset repeats a column or lacks one that the suite names.")
    return [str(name) for name in wanted]


def _parquet(path: Path, job: Mapping[str, Any], rows: int) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        parquet = pq.ParquetFile(file)
        _check_rows(parquet.metadata.num_rows, rows)
        for name in _names(parquet.schema_arrow.names, job):

            def column(name: str = name) -> pa.ChunkedArray:
                return parquet.read(columns=[name], use_threads=False).column(0)

            yield name, column


def _csv(path: Path, job: Mapping[str, Any], rows: int) -> Iterator[tuple[str, Any]]:
    from pyarrow import csv

    # One block as large as the file: types are inferred from all of a column, not from its first rows.
    block = max(1, min(path.stat().st_size + 1, 2**31 - 1))
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=block),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    _check_rows(table.num_rows, rows)
    for name in _names(table.column_names, job):

        def column(name: str = name) -> pa.ChunkedArray:
            return table.column(name)

        yield name, column


def _check_rows(rows: int, limit: int) -> None:
    if not 0 < rows <= limit:
        raise RefusedError("dataset", f"The dataset has {rows} rows; between 1 and {limit} are sketched.")


def sketch_of(name: str, column: pa.ChunkedArray, role: str) -> Sketch | None:
    """Numbers and booleans by quantiles, text by frequency; None for other types and for a column without a value."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type):
        column = column.cast(kind)
    if column.null_count == len(column):
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        counted = pc.value_counts(column.cast(pa.large_string()).drop_null().combine_chunks())
        texts, numbers = counted.field(0).to_pylist(), counted.field(1).to_pylist()
        return categorical_sketch(name, dict(zip(texts, numbers, strict=True)), missing=column.null_count, role=role)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return numeric_sketch(name, np.asarray(values, dtype=np.float64), role=role)
