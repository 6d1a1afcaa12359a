"""What is asked of an evaluation, what bounds it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

TaskType = Literal["binary_classification", "multiclass_classification", "regression"]
DatasetFormat = Literal["parquet", "csv"]
FailureKind = Literal["model", "dataset", "timeout", "memory", "crash", "unavailable"]

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class SuiteJob:
    """One evaluation of one model on one dataset.

    target: column with the true answers.
    features: columns given to the model, in the model's order; None takes every column of the dataset, in its
        order, but the target and those in `drop`. A sensitive column is kept or dropped in this way.
    metrics: names of `flows.evaluation.metrics`.
    positive_label: the class that precision, recall, ROC and Brier score speak of, as text; None takes the
        last one in sorted order, as scikit-learn does. Binary classification only.
    drop: columns that must exist and are not given to the model.
    """

    task_type: TaskType
    target: str
    metrics: tuple[str, ...]
    dataset_format: DatasetFormat
    features: tuple[str, ...] | None = None
    positive_label: str | None = None
    drop: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SuiteJob:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one confined process and of what it may be given. Sizes in bytes, times in seconds.

    `memory` is address space (RLIMIT_AS), which a process reserves more of than it uses: 300 MiB are gone
    before the first model is read. `written` bounds each file that the process writes.
    """

    memory: int = 4096 * MIB
    cpu_seconds: int = 300
    wall_seconds: float = 600.0
    written: int = 1024 * MIB
    open_files: int = 128
    rows: int = 2_000_000
    columns: int = 10_000
    classes: int = 1_000
    dataset_bytes: int = 2048 * MIB
    model_bytes: int = 2048 * MIB


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A finished evaluation of n examples.

    metrics: one finite number for every name asked for. intervals: 95 % (low, high) where one can be given.
    outcomes_path: Parquet, one row per example (see `flows.evaluation.outcomes`). seconds: wall-clock time.
    """

    metrics: Mapping[str, float]
    n: int
    outcomes_path: Path
    intervals: Mapping[str, tuple[float, float]]
    seconds: float


@dataclass(frozen=True, slots=True)
class SuiteFailure:
    """An evaluation that gave no result, and why, in words for the model's owner."""

    reason: str
    kind: FailureKind


class RefusedError(Exception):
    """Raised in the confined process when the model or the dataset cannot be used; becomes a SuiteFailure."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason
