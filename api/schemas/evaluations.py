"""Datasets, suites, evaluations."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read
from api.schemas.suite_definitions import EXAMPLE, TEXT_EXAMPLE, Definition, DefinitionRead

TaskType = Literal["binary_classification", "multiclass_classification", "regression", "text_generation"]
Outcome = Literal["passed", "failed", "error", "insufficient_evidence"]
Kind = Literal["unit", "integration", "regression", "performance", "smoke"]


class Limits(Body):
    min: float | None = None
    max: float | None = None


class SuiteCreate(Body):
    model_id: str
    name: str = Field(examples=["holdout"])
    kind: Kind = "regression"
    dataset_id: str | None = Field(
        default=None, description="With `target`; absent for a suite of rows or prompts that it brings itself."
    )
    task_type: TaskType
    target: str | None = Field(default=None, description="The column that holds the truth.")
    features: list[str] | None = Field(
        default=None,
        description="Columns in the model's order; if absent, all but the target and the columns of slices and groups.",
    )
    metrics: list[str] = Field(
        default_factory=list, description="Task metrics, by scikit-learn's names.", examples=[["accuracy", "roc_auc"]]
    )
    thresholds: dict[str, Limits] = Field(
        default_factory=dict,
        description="Of any metric that is computed, in any family. Not needed where there are cases.",
        examples=[{"accuracy": {"min": 0.9}, "demographic_parity_difference": {"max": 0.1}}],
    )
    margin: float = Field(
        default=0.02,
        description="Largest tolerated drop against the version in production: points of accuracy for "
        "classification, a fraction of the incumbent's mean loss for regression.",
    )
    positive_label: str | None = None
    definition: Definition = Field(
        default_factory=Definition,
        description="Cases, and what is computed beside the task metrics.",
        examples=[EXAMPLE, TEXT_EXAMPLE],
    )


class SuiteRead(Read):
    id: str
    model_id: str
    name: str
    kind: Kind
    dataset_id: str | None
    task_type: TaskType
    target: str | None
    features: list[str] | None
    metrics: list[str]
    thresholds: dict[str, dict[str, float]]
    margin: float
    positive_label: str | None
    definition: DefinitionRead
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


class MetricInterval(Read):
    low: float
    high: float


class MetricDetail(Read):
    n: int | None = Field(description="Examples behind the figure; null for what is no sample.")
    minimum_detectable_effect: float | None = Field(description="In the unit of the metric; power 0.8 at 5 %.")


class SliceFigures(Read):
    n: int
    metrics: dict[str, float]
    intervals: dict[str, MetricInterval]


class TestRead(Read):
    id: str
    title: str
    outcome: Outcome
    reason: str


class ConclusionRead(Read):
    """A threshold and what the figure says about it."""

    id: str
    metric: str
    slice: str | None
    outcome: Outcome
    reason: str
    limits: dict[str, float]
    margin: float | None
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    minimum_detectable_effect: float | None


class TestCounts(Read):
    total: int
    passed: int
    failed: int
    error: int
    insufficient_evidence: int


class CalibrationBin(Read):
    confidence: float = Field(description="Mean probability of the predicted class.")
    share: float = Field(description="Share of right answers.")
    n: int


class Calibration(Read):
    """How often answers are right at each confidence, of a classifier that gives probabilities."""

    bins: list[CalibrationBin]


class ResultsRead(Read):
    """Evaluations from before there were definitions have the four families, intervals, examples and seconds alone."""

    task_metrics: dict[str, float]
    bias_metrics: dict[str, float] = Field(default_factory=dict)
    safety_metrics: dict[str, float] = Field(default_factory=dict)
    robustness_metrics: dict[str, float] = Field(default_factory=dict)
    performance_metrics: dict[str, float] | None = None
    intervals: dict[str, MetricInterval] = Field(default_factory=dict)
    confidence: float = 0.95
    details: dict[str, MetricDetail] | None = None
    slices: dict[str, SliceFigures] | None = None
    cases: list[TestRead] | None = None
    cases_decide: bool | None = None
    conclusions: list[ConclusionRead] | None = None
    unavailable: dict[str, str] | None = Field(default=None, description="Why a metric has no figure.")
    tests: TestCounts | None = None
    calibration: Calibration | None = None
    examples: int | None = None
    seconds: float | None = None


class EvaluationResultsRead(EvaluationStatusRead):
    results: ResultsRead | None
    thresholds: dict[str, Any]
    weights_sha256: str | None
    endpoint_digest: str | None
    outcomes_sha256: str | None
    executed_at: str | None
    created_at: str
