"""Live observations and drift. In the enterprise view names are snake_case."""

from typing import Literal

from pydantic import BaseModel, Field


class ObservationsRead(BaseModel):
    message: str
    version_id: str
    recorded: int = Field(description="Observations that were counted: all that were sent.")
    unknown_values: int = Field(description="Values of features that the reference does not have.")


class PsiRead(BaseModel):
    value: float
    excess: float = Field(description="Without what chance adds in samples of these sizes.")
    low: float
    high: float


class ChiSquaredRead(BaseModel):
    statistic: float
    degrees_of_freedom: int
    cramers_v: float
    p: float


class KolmogorovSmirnovRead(BaseModel):
    distance: float
    p: float = Field(description="Of binned data, and so conservative.")


class WassersteinRead(BaseModel):
    value: float = Field(description="In standard deviations of the reference.")
    low: float
    high: float


Verdict = Literal["stable", "drift", "insufficient_evidence"]
Severity = Literal["none", "moderate", "severe"]


class FeatureDriftRead(BaseModel):
    feature: str
    role: Literal["input", "prediction"]
    kind: Literal["numeric", "categorical"]
    n_reference: int
    n_live: int
    verdict: Verdict
    severity: Severity
    psi: PsiRead | None
    chi_squared: ChiSquaredRead | None
    ks: KolmogorovSmirnovRead | None
    wasserstein: WassersteinRead | None
    p: float | None
    q: float | None = Field(description="False discovery rate over all features and the prediction.")
    smallest_detectable_psi: float | None
    missing_share_reference: float
    missing_share_live: float


class DriftReferenceRead(BaseModel):
    suite_id: str
    dataset_sha256: str
    outcomes_sha256: str | None
    digest: str
    features: int
    omitted_columns: int
    pinned_at: str


class LimitsRead(BaseModel):
    psi: float
    wasserstein: float


class DriftRulesRead(BaseModel):
    false_discovery_rate: float
    least_rows: int
    moderate: LimitsRead
    severe: LimitsRead


class DriftRead(BaseModel):
    model_id: str
    version_id: str
    since: str
    until: str
    verdict: Verdict
    severity: Severity
    summary: str
    observations: int
    unknown_values: int
    features_drifted: int
    features: list[FeatureDriftRead]
    reference: DriftReferenceRead
    rules: DriftRulesRead
