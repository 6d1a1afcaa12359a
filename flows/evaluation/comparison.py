"""Pair the outcomes of two models on the same examples, for `governance.statistics.paired`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flows.evaluation.outcomes import CLASSIFICATION, REGRESSION

MOST_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """b: incumbent right and candidate wrong; c: the reverse; n: shared examples."""

    b: int
    c: int
    n: int


@dataclass(frozen=True)
class PairedLosses:
    """Two float64 arrays of shape (n,); position i of both is the same example."""

    candidate: NDArray[np.float64]
    incumbent: NDArray[np.float64]


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
    if one.schema != other.schema:
        return Incomparable("One evaluation is a classification and the other a regression.")
    first, second = _by_example(one), _by_example(other)
    if not np.array_equal(first["example"], second["example"]):
        return Incomparable(
            f"The two models were evaluated on different examples ({one.num_rows} and {other.num_rows})."
        )
    if not np.array_equal(first["target"], second["target"]):
        return Incomparable("The two evaluations disagree on the true answers: their datasets differ.")
    if "loss" in first:
        return PairedLosses(first["loss"], second["loss"])
    right, was_right = first["correct"], second["correct"]
    return PairedCounts(b=int((was_right & ~right).sum()), c=int((right & ~was_right).sum()), n=len(right))


def _read(path: Path, whose: str) -> pa.Table:
    try:
        with path.open("rb") as source:
            file = pq.ParquetFile(source)
            schema = next(
                (s for s in (CLASSIFICATION, REGRESSION) if s.equals(file.schema_arrow.remove_metadata())),
                None,
            )
            if schema is None or file.metadata.num_rows > MOST_ROWS:
                raise _UnreadableError(f"The outcomes of the {whose} are not outcomes of an evaluation.")
            table = file.read(use_threads=False).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _UnreadableError(f"The outcomes of the {whose} cannot be read: {error}") from error
    _check(table, whose)
    return table


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
