"""How many answers of an outcome file are right, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SLICE = "slice."  # how the columns begin that say which slice an example belongs to


@dataclass(frozen=True, slots=True)
class RightAnswers:
    """(right, examples) overall and by slice, "column=value"."""

    overall: tuple[int, int]
    slices: Mapping[str, tuple[int, int]]


def right_answers(path: Path) -> RightAnswers | None:
    """None for a file of losses, or for one that cannot be read."""
    try:
        schema = pq.read_schema(path)
        if "correct" not in schema.names:
            return None
        columns = ["correct", *(name for name in schema.names if name.startswith(SLICE))]
        table = pq.read_table(path, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError):
        return None
    correct = table.column("correct").to_numpy(zero_copy_only=False).astype(bool)
    slices: dict[str, tuple[int, int]] = {}
    for column in columns[1:]:
        values, place = np.unique(np.asarray(table.column(column).to_pylist(), dtype=str), return_inverse=True)
        sizes = np.bincount(place, minlength=len(values))
        hits = np.bincount(place, weights=correct, minlength=len(values)).astype(int)
        for value, right, n in zip(values, hits, sizes, strict=True):
            slices[f"{column.removeprefix(SLICE)}={value}"] = (int(right), int(n))
    return RightAnswers((int(correct.sum()), len(correct)), slices)
