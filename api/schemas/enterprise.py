"""The enterprise registry: snake_case, with the documented names and types; further fields stand behind them."""

from typing import Literal

from pydantic import BaseModel, Field

from storage.queries.entries import Status

HealthStatus = Literal["healthy", "degraded", "unhealthy", "unknown"]


class SnakeRead(BaseModel):
    """A part of an answer whose names are those of its fields."""


class EntryRead(SnakeRead):
    model_id: str = Field(description="Id of the version: an entry is one version of a model.")
    name: str
    version: str
    model_type: str | None
    status: Status
    description: str
    sport: str | None
    created_at: str
    updated_at: str
    created_by: str
    deployment_target: str | None = Field(description="Where it serves; before that, what its metadata plans.")
    feature_flag_id: str | None
    rollout_percentage: float | None = Field(description="Its share of the traffic there, in percent.")
    retention_days: int | None
    registered_model_id: str = Field(description="Id of the model that it is a version of.")
    state: str = Field(description="The state in the lifecycle that the status is a view of.")


class Percentiles(SnakeRead):
    p50: float | None
    p95: float | None
    p99: float | None


class _Measured(SnakeRead):
    model_id: str
    total_inferences: int
    success_rate: float | None = Field(description="Percent; null when there were no inferences.")
    average_timing_ms: float | None
    percentiles: Percentiles = Field(description="Milliseconds, within 1 %.")
    error_types: dict[str, int]
    last_updated: str | None = Field(description="When the latest report came.")
    window: str
    window_start: str | None = Field(description="Null: since the first report.")


class MetricsRead(_Measured):
    successful_inferences: int
    failed_inferences: int
    min_timing_ms: float | None
    max_timing_ms: float | None


class HealthOfModelRead(_Measured):
    name: str
    version: str
    status: Status
    health_status: HealthStatus = Field(description="Of the last hour, whatever the window.")
    reasons: list[str] = Field(description="The rules that decided, with their numbers.")


class Recorded(SnakeRead):
    message: Literal["Inference recorded successfully"]
    recorded: int = Field(description="How many inferences were reported.")


class TypesRead(SnakeRead):
    model_types: list[str]
    model_statuses: list[Status]
