"""What is asked of an evaluation, what bounds it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from governance.suites.conclusions import Measured

TaskType = Literal["binary_classification", "multiclass_classification", "regression", "text_generation"]
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
    labelled: columns whose values are read as text, to look at the examples by; they may be features too.
    definition: what else is computed (`governance.suites.definition`); each of its cases has beside its own members
        its `position` in the suite.
    """

    task_type: TaskType
    target: str | None
    metrics: tuple[str, ...]
    dataset_format: DatasetFormat
    features: tuple[str, ...] | None = None
    positive_label: str | None = None
    drop: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    definition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sliced(self) -> tuple[str, ...]:
        """The columns that results are computed by and outcomes carry: slices, then groups."""
        groups = self.definition.get("groups", {}).get("columns", ())
        return tuple(dict.fromkeys([*self.definition.get("slices", ()), *groups]))

    @property
    def cases(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.definition.get("cases", ()))

    @property
    def needs_examples(self) -> bool:
        """Whether the whole dataset is predicted, and not only its columns looked up."""
        families = ("bias", "robustness", "safety", "performance")
        return bool(
            self.metrics
            or any(self.definition.get(family) for family in families)
            or any("slice" in case for case in self.cases)
        )

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
class SliceRun:
    """The task metrics of the n examples of one slice; those that are not defined on them are left out."""

    n: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A finished evaluation of n examples.

    metrics: one finite number for every name asked for. intervals: 95 % (low, high) where one can be given.
    outcomes_path: Parquet, one row per example (see `flows.evaluation.outcomes`). seconds: wall-clock time.
    families: "bias", "robustness", "safety" and "performance", each by name. unavailable: why a metric of a family
    has no figure. slices: by "column=value". calibration: (mean confidence, share of right answers, examples) of each
    bin. cases: {"id", "outcome", "reason"} in the order of the job.
    """

    metrics: Mapping[str, float]
    n: int
    outcomes_path: Path
    intervals: Mapping[str, tuple[float, float]]
    seconds: float
    families: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    slices: Mapping[str, SliceRun] = field(default_factory=dict)
    calibration: tuple[tuple[float, float, int], ...] = ()
    cases: tuple[Mapping[str, str], ...] = ()


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


class NotFiniteError(RefusedError):
    """The model answered, and its answer holds NaN or infinity: no refusal of its own."""
