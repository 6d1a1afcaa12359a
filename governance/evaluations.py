"""Evaluation suites and their runs (governance-design, Evaluation Entity)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from governance.canonical import digest_of
from governance.errors import InvalidInput


class TaskType(StrEnum):
    BINARY = "binary_classification"
    MULTICLASS = "multiclass_classification"
    REGRESSION = "regression"


class EvaluationStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


CLASSIFICATION_METRICS = frozenset(
    {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier_score_loss"}
)
MULTICLASS_METRICS = frozenset(
    {"accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "log_loss"}
)
REGRESSION_METRICS = frozenset({"r2", "mean_absolute_error", "root_mean_squared_error", "max_error"})
METRICS: dict[TaskType, frozenset[str]] = {
    TaskType.BINARY: CLASSIFICATION_METRICS,
    TaskType.MULTICLASS: MULTICLASS_METRICS,
    TaskType.REGRESSION: REGRESSION_METRICS,
}

LOWER_IS_BETTER = frozenset(
    {"log_loss", "brier_score_loss", "mean_absolute_error", "root_mean_squared_error", "max_error"}
)


@dataclass(frozen=True, slots=True)
class Dataset:
    id: str
    name: str
    group: str
    format: str  # "parquet" | "csv"
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Suite:
    """What is computed on which data, and the limits that must hold. Never changes once created.

    thresholds: {"accuracy": {"min": 0.9}, "log_loss": {"max": 0.4}}
    margin: largest drop against the incumbent that is tolerated; points of accuracy (0.02 = two points) for
            classification, a fraction of the incumbent's mean loss for regression.
    """

    id: str
    model_id: str
    name: str
    dataset_id: str
    dataset_sha256: str
    dataset_format: str
    task_type: TaskType
    target: str
    features: tuple[str, ...] | None
    metrics: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, float]]
    margin: float
    positive_label: str | None

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Stand-in."""
        return tuple(f"{self.name}.{metric}" for metric in sorted(self.thresholds))

    @property
    def digest(self) -> str:
        return digest_of(
            {
                "dataset": self.dataset_sha256,
                "taskType": self.task_type.value,
                "target": self.target,
                "features": list(self.features) if self.features is not None else None,
                "metrics": sorted(self.metrics),
                "thresholds": {name: dict(limits) for name, limits in self.thresholds.items()},
                "margin": self.margin,
                "positiveLabel": self.positive_label,
            }
        )


def checked_suite(
    task_type: str, metrics: list[str], thresholds: Mapping[str, Mapping[str, float]], margin: float
) -> TaskType:
    """Raises InvalidInput for metrics or thresholds that the task type does not have."""
    try:
        task = TaskType(task_type)
    except ValueError:
        raise InvalidInput(f"taskType must be one of {', '.join(TaskType)}.", details={"field": "taskType"}) from None
    unknown = sorted(set(metrics) - METRICS[task])
    if unknown or not metrics:
        raise InvalidInput(
            f"metrics must name one or more of {', '.join(sorted(METRICS[task]))}.",
            details={"field": "metrics", "unknown": unknown},
        )
    if not thresholds:
        raise InvalidInput("A suite without a threshold would let anything pass.", details={"field": "thresholds"})
    for name, limits in thresholds.items():
        if name not in metrics:
            raise InvalidInput(f"There is a threshold for {name!r}, which is not computed.", details={"field": name})
        if not limits or set(limits) - {"min", "max"} or not all(math.isfinite(v) for v in limits.values()):
            raise InvalidInput(
                f"The threshold of {name!r} is an object with min, max or both.", details={"field": name}
            )
        if limits.get("min", -math.inf) > limits.get("max", math.inf):
            raise InvalidInput(f"Nothing lies within the threshold of {name!r}.", details={"field": name})
    if not 0 < margin <= 1:
        raise InvalidInput("margin must be above 0 and at most 1.", details={"field": "margin"})
    return task


@dataclass(frozen=True, slots=True)
class Evaluation:
    id: str
    version_id: str
    suite_id: str
    request_id: str
    status: EvaluationStatus
    reason: str | None
    weights_sha256: str | None
    outcomes_sha256: str | None
    results: Mapping[str, Any] | None
    passed: bool | None
