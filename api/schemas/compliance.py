"""Compliance: frameworks, assessments, attestations."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read

Overall = Literal["met", "not_met", "unknown", "upcoming", "not_applicable"]


class ControlRead(Read):
    id: str
    title: str
    status: Literal["met", "not_met", "unknown", "not_applicable"]
    because: str


class RequirementRead(Read):
    id: str
    title: str
    status: Literal["met", "not_met", "unknown", "not_applicable"]
    because: list[str]
    binds_from: str = Field(description="Date from which it binds this kind of system.")
    binding: bool
    controls: list[ControlRead]


class EvidenceReference(Read):
    request_id: str | None
    digest: str | None


class AssessmentRead(Read):
    framework: str
    edition: str | None
    model_id: str
    model_name: str
    version_id: str
    version: str
    state: str
    as_of: str
    status: Overall
    because: str
    evidence: EvidenceReference
    requirements: list[RequirementRead]


class FrameworkStatus(Read):
    framework: str
    title: str
    publisher: str
    binding: bool
    edition: str | None = Field(description="The edition in effect on the date, null when none is.")
    effective_from: str | None
    source: str | None
    source_kind: Literal["primary", "secondary"] | None
    note: str
    binds_from: dict[str, str] = Field(description="Date by class of system; the empty name stands for all.")
    versions: dict[Overall, int] = Field(description="Versions in production on the date, by status.")
    complete: bool = Field(description="False when there are more versions than one summary looks at.")


class ComplianceStatus(Read):
    as_of: str
    disclaimer: str
    frameworks: list[FrameworkStatus]


class ValidateCompliance(Body):
    model_id: str
    version: str = Field(max_length=200)
    frameworks: list[str] = Field(default_factory=list, max_length=20, description="Empty: all of them.")
    as_of: str | None = Field(default=None, description="A date (2026-11-20) or a time with its zone; default: now.")


class ComplianceValidation(Read):
    disclaimer: str
    status: Overall = Field(description="The worst over the frameworks.")
    assessments: list[AssessmentRead]


class AttestationRead(Read):
    framework: str
    edition: str
    model_id: str
    model_name: str
    version: str
    as_of: str
    issuer: str
    kind: Literal["self-attestation"]
    disclaimer: str
    statement: dict[str, Any] = Field(description="A DSSE envelope around an in-toto statement.")
