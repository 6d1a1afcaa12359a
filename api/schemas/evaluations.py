"""Datasets, suites, evaluations."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read

TaskType = Literal["binary_classification", "multiclass_classification", "regression"]


class Limits(Body):
    min: float | None = None
    max: float | None = None


class SuiteCreate(Body):
    model_id: str
    name: str = Field(examples=["holdout"])
    dataset_id: str
    task_type: TaskType
    target: str = Field(description="The column that holds the truth.")
    features: list[str] | None = Field(default=None, description="Columns in order; all but the target if absent.")
    metrics: list[str] = Field(examples=[["accuracy", "roc_auc"]])
    thresholds: dict[str, Limits] = Field(examples=[{"accuracy": {"min": 0.9}}])
    margin: float = Field(
        default=0.02,
        description="Largest tolerated drop against the version in production: points of accuracy for "
        "classification, a fraction of the incumbent's mean loss for regression.",
    )
    positive_label: str | None = None


class SuiteRead(Read):
    id: str
    model_id: str
    name: str
    dataset_id: str
    task_type: TaskType
    target: str
    features: list[str] | None
    metrics: list[str]
    thresholds: dict[str, dict[str, float]]
    margin: float
    positive_label: str | None
    digest: str
    created_at: str


class DatasetRead(Read):
    id: str
    name: str
    group: str
    format: Literal["parquet", "csv"]
    sha256: str
    size: int
    created_at: str


class EvaluationRun(Body):
    model_id: str
    version: str
    suite_ids: list[str] = Field(default_factory=list)


class EvaluationStatusRead(Read):
    id: str
    version_id: str
    suite_id: str
    request_id: str
    status: Literal["queued", "running", "completed", "failed"]
    reason: str | None
    passed: bool | None


class EvaluationResultsRead(EvaluationStatusRead):
    results: dict[str, Any] | None
    thresholds: dict[str, Any]
    weights_sha256: str | None
    endpoint_digest: str | None
    outcomes_sha256: str | None
    executed_at: str | None
    created_at: str
