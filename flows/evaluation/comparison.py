"""Pair the outcomes of two models on the same examples, for `governance.statistics.paired`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flows.evaluation.outcomes import CLASSIFICATION, REGRESSION, SLICE

MOST_ROWS = 5_000_000
MOST_COLUMNS = 100  # by which examples are told apart
MOST_SLICES = 5_000


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """b: incumbent right and candidate wrong; c: the reverse; n: shared examples.

    slices: the same of every slice, by "column=value"; empty unless both evaluations tell the same columns.
    """

    b: int
    c: int
    n: int
    slices: Mapping[str, PairedCounts] = field(default_factory=dict)


@dataclass(frozen=True)
class PairedLosses:
    """Two float64 arrays of shape (n,); position i of both is the same example.

    slices: of every slice which examples are in it, bool of shape (n,), by "column=value".
    """

    candidate: NDArray[np.float64]
    incumbent: NDArray[np.float64]
    slices: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incomparable:
    reason: str


class _UnreadableError(Exception):
    pass


def compare_outcomes(candidate: Path, incumbent: Path) -> PairedCounts | PairedLosses | Incomparable:
    """Join two outcome files on `example`. Refuses different examples, different truths and different
    tasks."""
    try:
        one, other = _read(candidate, "candidate"), _read(incumbent, "incumbent")
    except _UnreadableError as error:
        return Incomparable(str(error))
    if ("loss" in one.column_names) != ("loss" in other.column_names):
        return Incomparable("One evaluation is a classification and the other a regression.")
    first, second = _by_example(one), _by_example(other)
    if not np.array_equal(first["example"], second["example"]):
        return Incomparable(
            f"The two models were evaluated on different examples ({one.num_rows} and {other.num_rows})."
        )
    if not np.array_equal(first["target"], second["target"]):
        return Incomparable("The two evaluations disagree on the true answers: their datasets differ.")
    groups = _shared_slices(first, second)
    if isinstance(groups, Incomparable):
        return groups
    if "loss" in first:
        masks = {f"{column}={value}": index == k for column, (values, index) in groups.items()
                 for k, value in enumerate(values)}  # fmt: skip
        return PairedLosses(first["loss"], second["loss"], masks)
    return _counted(first["correct"], second["correct"], groups)


def _counted(
    right: NDArray[np.bool_], was_right: NDArray[np.bool_], groups: Mapping[str, tuple[list[str], NDArray[np.int64]]]
) -> PairedCounts:
    worse, better = was_right & ~right, right & ~was_right
    slices: dict[str, PairedCounts] = {}
    for column, (values, index) in groups.items():
        k = len(values)
        b, c, n = (np.bincount(part, minlength=k).tolist() for part in (index[worse], index[better], index))
        slices |= {f"{column}={value}": PairedCounts(b[i], c[i], n[i]) for i, value in enumerate(values)}
    return PairedCounts(b=int(worse.sum()), c=int(better.sum()), n=len(right), slices=slices)


def _shared_slices(
    first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[list[str], NDArray[np.int64]]] | Incomparable:
    """By column that both have: its values, and of every example the place of its own."""
    found: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
    for name in first:
        if not name.startswith(SLICE) or name not in second:
            continue
        values, index = np.unique(first[name].astype(str), return_inverse=True)
        if not np.array_equal(first[name], second[name]):
            return Incomparable(f"The two evaluations disagree on {name.removeprefix(SLICE)!r}: their datasets differ.")
        found[name.removeprefix(SLICE)] = (values.tolist(), index.astype(np.int64))
    if sum(len(values) for values, _ in found.values()) > MOST_SLICES:
        return Incomparable(f"The evaluations tell more than {MOST_SLICES} slices apart.")
    return found


def _read(path: Path, whose: str) -> pa.Table:
    try:
        with path.open("rb") as source:
            file = pq.ParquetFile(source)
            if not _is_known(file.schema_arrow.remove_metadata()) or file.metadata.num_rows > MOST_ROWS:
                raise _UnreadableError(f"The outcomes of the {whose} are not outcomes of an evaluation.")
            table = file.read(use_threads=False).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _UnreadableError(f"The outcomes of the {whose} cannot be read: {error}") from error
    _check(table, whose)
    return table


def _is_known(schema: pa.Schema) -> bool:
    """The columns of one task, then text columns of slices if any."""
    for task in (CLASSIFICATION, REGRESSION):
        further = [schema.field(i) for i in range(len(task), len(schema))]
        if pa.schema([schema.field(i) for i in range(min(len(task), len(schema)))]).equals(task):
            names = [one.name for one in further]
            return (
                len(names) <= MOST_COLUMNS
                and len(set(names)) == len(names)
                and all(one.name.startswith(SLICE) and pa.types.is_string(one.type) for one in further)
            )
    return False


def _check(table: pa.Table, whose: str) -> None:
    wrong = any(table.column(name).null_count for name in table.column_names if name != "score")
    examples = table.column("example").to_numpy()
    if "loss" in table.column_names and not wrong:
        loss = table.column("loss").to_numpy()
        wrong = not np.isfinite(loss).all() or bool((loss < 0).any())
    if wrong or len(np.unique(examples)) != len(examples):
        raise _UnreadableError(f"The outcomes of the {whose} are incomplete or repeat an example.")


def _by_example(table: pa.Table) -> dict[str, NDArray[Any]]:
    columns = {
        name: table.column(name).to_numpy() for name in table.column_names if name not in ("score", "prediction")
    }
    order = np.argsort(columns["example"], kind="stable")
    return {name: values[order] for name, values in columns.items()}
