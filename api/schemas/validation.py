"""Validation as the enterprise registry shows it: names in snake_case, the documented fields and more beside them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import Body, Read

RunStatus = Literal["queued", "running", "measured", "passed", "failed", "error", "insufficient_evidence"]
NightStatus = Literal["running", "completed", "partial", "missed"]
Severity = Literal["none", "low", "medium", "high"]


class Shape(BaseModel):
    """A part of an answer; PostgreSQL or a query builds the JSON itself."""


class ValidationRunCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model_id: str = Field(description="An entry of the enterprise registry, or a model's own id.")
    test_case_ids: list[str] | None = Field(
        default=None,
        description="Tests to run: ids of test cases, or <suite>.<metric> for a threshold. All of them if left out.",
        examples=[["mlb_basic_prediction", "holdout.accuracy"]],
    )


class RunRead(Shape):
    id: str
    run_id: str
    model_id: str
    name: str
    version: str
    status: RunStatus
    reason: str | None
    night: str | None = Field(description="Date of the night that the run belongs to.")
    created_at: str
    started_at: str | None
    completed_at: str | None
    total_tests: int
    passed_tests: int
    failed_tests: int
    error_tests: int
    undecided_tests: int
    regression_detected: bool
    regression_severity: Severity


class ResultOfTestRead(Shape):
    id: str
    title: str
    suite_id: str | None = Field(description="Null for tests of data, and for tests that no suite has.")
    suite: str | None
    outcome: Literal["passed", "failed", "error", "insufficient_evidence"]
    reason: str | None
    dataset_id: str | None = Field(
        default=None, description="Of a test of data; null where you may not read the dataset."
    )


class RunDetailRead(RunRead):
    night_id: str | None
    test_case_ids: list[str] | None
    requested_by: str | None
    attempt: int
    tests: list[ResultOfTestRead]
    measured: dict[str, Any] | None = Field(
        description="What the suites, live metrics and data showed. Of a dataset that you may not read, `data` tells "
        "how many expectations do not hold, and neither which one it is nor what was found in it. `failed` counts its "
        "sentences, of which a run keeps 50."
    )
    judged: dict[str, Any] | None = Field(description="What was concluded from it, over the whole night.")


class HistoryRead(Shape):
    model_id: str
    period_days: int
    validation_runs: list[RunRead]
    truncated: bool = Field(description="Whether there are more runs than the 1,000 newest ones shown.")


class PinnedRead(Shape):
    id: str
    version_id: str
    version: str
    score: float | None
    pinned_at: str


class ComparedRead(Shape):
    """A suite of one run against its baseline. drop: positive when worse; evidence: paired or aggregate."""

    suite_id: str
    suite: str
    status: str
    score: float | None
    kind_of_score: Literal["counts", "losses", "totals"] | None = Field(
        description="Of examples that were right, or mean losses; totals: without pairs of examples."
    )
    n: int | None
    baseline: PinnedRead | None
    lower_is_better: bool | None = Field(description="Whether the score is a loss; null in runs that do not tell.")
    not_compared: str | None
    is_baseline: bool | None = Field(description="Whether it would have been compared with itself.")
    conclusion: Literal["regression", "no_regression", "insufficient_evidence"] | None
    severity: str | None
    evidence: str | None
    drop: float | None
    lower: float | None
    upper: float | None
    p: float | None
    q: float | None
    minimum_detectable_effect: float | None


class ReportedRunRead(RunRead):
    suites: list[ComparedRead]
    pictures: dict[str, str]


class SeverityBreakdown(Shape):
    high: int
    medium: int
    low: int


class RegressionReportRead(Shape):
    model_id: str
    name: str
    version: str
    period_days: int
    total_validation_runs: int
    runs_with_regression: int
    regression_rate: float
    evaluated_runs: int = Field(
        description="Those that were compared with a baseline and could decide, or are that baseline themselves; "
        "rates are shares of them."
    )
    regression_rate_low: float = Field(description="Wilson's 95 % interval of the rate.")
    regression_rate_high: float
    recent_regression_rate: float = Field(description="Of the last 14 nights, whatever `days` says.")
    trend: Literal["improving", "stable", "degrading"]
    slope: float | None = Field(description="Of the score, a day; null where there are too few.")
    last_validation: str | None
    severity_breakdown: SeverityBreakdown
    runs: list[ReportedRunRead]
    truncated: bool


class ResultsSummary(Shape):
    passed: int
    failed: int
    errors: int
    insufficient_evidence: int
    regressions_detected: int


class NightRead(Shape):
    id: str
    night: str
    trigger: Literal["schedule", "request", "watch"]
    status: NightStatus
    started_at: str
    deadline_at: str
    completed_at: str | None


class NightDetailRead(NightRead):
    scope: Literal["platform", "visible"] = Field(
        description="Whether the counts are over all models (for roles with monitoring:read) or those you may see."
    )
    models: int
    models_processed: int
    not_reached: int = Field(description="Validated by nobody when the night ended.")
    results_summary: ResultsSummary
    progress: dict[str, int] = Field(description="Runs by status.")
    batches: dict[str, int] | None
    summary: dict[str, Any] | None = Field(description="How the night ended; for the scope `platform`.")


class SampleCreate(Body):
    dataset_id: str


class SampleRead(Read):
    number: int
    suite_id: str
    dataset_id: str
    created_by: str
    created_at: str
