"""Requests, decisions, policies."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read
from governance.lifecycle import TransitionName


class TransitionCreate(Body):
    transition: str = Field(
        description="One of: " + ", ".join(TransitionName), examples=["promote_production"], max_length=64
    )
    reason: str = Field(default="", description="Required by request_changes, rollback and deprecate.")
    suite_ids: list[str] = Field(default_factory=list, description="For evaluate: empty means every suite.")
    break_glass: bool = Field(
        default=False,
        description="For rollback and deprecate only: pass over freezes and waits. Opens a finding that somebody else "
        "closes; the reason has at least 20 characters.",
    )


class Decide(Body):
    decision: Literal["approve", "reject", "request_changes"]
    evidence_digest: str = Field(
        description="The digest of the evidence that was read; the decision binds to it.",
        examples=["sha256:" + "0" * 64],
    )
    comment: str = ""


class Withdraw(Body):
    reason: str = ""


class GateRead(Read):
    policy: str
    title: str
    policy_version: int
    enforcement: Literal["advisory", "soft", "hard"] = "hard"
    outcome: Literal["passed", "failed", "unknown"]
    reasons: list[str]
    facts: dict[str, Any]


class ApprovalRead(Read):
    id: str
    approver: str
    decision: Literal["approve", "reject", "request_changes"]
    comment: str
    evidence_digest: str
    counts: bool = Field(description="False when the evidence has changed since.")
    at: str


class RequestSummary(Read):
    id: str
    model_id: str
    version_id: str
    model_name: str
    version: str
    transition: str
    status: Literal["open", "judging", "awaiting_approval", "applied", "denied", "withdrawn"]
    requested_by: str
    reason: str
    attempt: int
    break_glass: bool
    flow_run_id: str | None
    evidence_digest: str | None
    outcome: dict[str, Any] | None
    created_at: str
    updated_at: str
    settled_at: str | None


class RequestRead(RequestSummary):
    gates: list[GateRead]
    evidence: dict[str, Any] | None
    approvals: list[ApprovalRead]


class PolicyRead(Read):
    name: str
    title: str
    version: int
    enforcement: Literal["hard"]
    transitions: list[str]
    parameters: dict[str, Any]


class PolicyUpdate(Body):
    parameters: dict[str, Any]
