"""Evaluation suites and their runs (governance-design, Evaluation Entity)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from governance.canonical import digest_of
from governance.suites.catalogue import SuiteKind, TaskType


class EvaluationStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


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
    dataset_id, dataset_sha256, dataset_format, target: None for a suite that brings its own rows or prompts.
    definition: cases, slices, groups and the other families of metrics (`governance.suites.definition`).
    """

    id: str
    model_id: str
    name: str
    dataset_id: str | None
    dataset_sha256: str | None
    dataset_format: str | None
    task_type: TaskType
    target: str | None
    features: tuple[str, ...] | None
    metrics: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, float]]
    margin: float
    positive_label: str | None
    kind: SuiteKind = SuiteKind.REGRESSION
    definition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Over everything that it computes and judges by. A suite without a definition has the digest that it had
        before there were definitions; what kind it is says nothing then."""
        further = {"kind": self.kind.value, "definition": dict(self.definition)} if self.definition else {}
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
                **further,
            }
        )

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Of its cases and thresholds, as they can be asked for: "<suite name>.<metric>", with "[<slice>]" behind it
        for a slice."""
        cases = [str(case["id"]) for case in self.definition.get("cases", ())]
        sliced = self.definition.get("sliceThresholds", {}).items()
        return (
            *cases,
            *(f"{self.name}.{metric}" for metric in sorted(self.thresholds)),
            *(f"{self.name}.{metric}[{name}]" for metric, by_slice in sorted(sliced) for name in sorted(by_slice)),
        )


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
    endpoint_digest: str | None = None  # in place of weights (`governance.endpoints`)
