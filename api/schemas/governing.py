"""Requests and decisions."""

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


Decision = Literal["approve", "reject", "request_changes"]


class Decide(Body):
    decision: Decision
    evidence_digest: str = Field(
        description="The digest of the evidence that was read; the decision binds to it.",
        examples=["sha256:" + "0" * 64],
    )
    comment: str = ""
    on_behalf_of: str | None = Field(
        default=None, description="Id of the person who delegated the decision to the caller.", max_length=100
    )


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
    on_behalf_of: str | None = Field(description="For whom the approver decided, by a delegation.")
    decision: Decision
    comment: str
    evidence_digest: str
    counts: bool = Field(description="False when the evidence has changed since, or the decision is not signed.")
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


class Change(Read):
    path: str
    before: Any
    after: Any


class SinceLastReview(Read):
    """The last request for the same that people sent back, and what changed in the evidence since."""

    request_id: str
    at: str
    by: str
    comment: str
    difference: list[Change]


class RequestRead(RequestSummary):
    gates: list[GateRead]
    evidence: dict[str, Any] | None
    approvals: list[ApprovalRead]
    unchanged: bool | None = Field(
        default=None,
        description="Is everything as it was frozen and shown? Null before, and once it is over.",
    )
    difference: list[Change] = Field(default_factory=list, description="What changed since it was frozen.")
    not_counted: list[str] = Field(default_factory=list, description="Why decisions about it are not counted.")
    since_last_review: SinceLastReview | None = None
