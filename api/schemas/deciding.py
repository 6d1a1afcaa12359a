"""The inbox, batches, delegations, overrides."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read
from api.schemas.governing import Change, Decision, GateRead, RequestSummary, SinceLastReview
from governance.delegations import LONGEST as LONGEST_DELEGATION
from governance.errors import InvalidInput
from governance.operations.batches import MOST
from governance.overrides import LONGEST as LONGEST_OVERRIDE
from governance.overrides import SHORTEST_REASON


class VoteRead(Read):
    approver: str
    on_behalf_of: str | None
    decision: Decision


class Votes(Read):
    given: int
    needed: int | None = Field(description="None where no policy asks people.")
    groups_needed: int | None
    validators_needed: int | None
    decisions: list[VoteRead]


class ServingRead(Read):
    environment: str
    endpoint: str
    version_id: str
    version: str
    traffic_percent: int


class Impact(Read):
    deployments: list[ServingRead] = Field(description="What serves of this model now, the incumbent among it.")
    groups: list[str] = Field(description="Whose model it is, and whom it is open to.")


class InboxItem(RequestSummary):
    risk_tier: str
    group: str
    gates: list[GateRead]
    needs: list[Literal["decision", "override", "confirmation"]]
    votes: Votes
    incumbent: str | None = Field(description="The version in production.")
    difference: list[Change] = Field(description="What changes in production, the first 50 lines.")
    differences: int
    difference_digest: str = Field(description="Equal for equal changes, which can be decided about in one batch.")
    since_last_review: SinceLastReview | None
    impact: Impact
    can_decide: bool
    why_not: str | None
    links: dict[str, str]


class BatchItem(Body):
    request_id: str = Field(max_length=100)
    evidence_digest: str = Field(max_length=200)


class Batch(Body):
    decision: Decision
    comment: str = ""
    items: list[BatchItem] = Field(min_length=1, max_length=MOST)


class BatchOutcome(Read):
    request_id: str
    recorded: bool
    code: str | None = Field(description="Of the refusal, as the single decision would answer it.")
    message: str | None
    details: dict[str, Any] | None


class DelegationCreate(Body):
    delegate: str = Field(description="Name or id of the person who is to decide.", max_length=200)
    ends_at: str = Field(
        description=f"ISO 8601 with a time zone; at most {LONGEST_DELEGATION.days} days after the start.",
        examples=["2026-12-24T18:00:00Z"],
        max_length=40,
    )
    starts_at: str | None = Field(default=None, description="Now, where nothing is said.", max_length=40)
    groups: list[str] = Field(default_factory=list, description="Of the models; none means all.", max_length=50)
    transitions: list[str] = Field(default_factory=list, description="None means all that people decide.", max_length=9)
    risk_tiers: list[str] = Field(default_factory=list, description="None means all.", max_length=9)
    reason: str = ""


class DelegationRead(Read):
    id: str
    delegator_id: str
    delegator: str
    delegate_id: str
    delegate: str
    groups: list[str]
    transitions: list[str]
    risk_tiers: list[str]
    reason: str
    starts_at: str
    ends_at: str
    revoked_at: str | None
    created_at: str


class OverridePropose(Body):
    policy: str = Field(description="Name of the soft gate that blocks.", max_length=200)
    policy_version: int = Field(ge=1, le=2_000_000_000)
    evidence_digest: str = Field(description="The evidence for which it is overridden.", max_length=200)
    reason: str = Field(description=f"At least {SHORTEST_REASON} characters.")
    days: int = Field(default=LONGEST_OVERRIDE.days, ge=1, le=LONGEST_OVERRIDE.days, description="How long it holds.")


class OverrideRead(Read):
    id: str
    request_id: str
    model_id: str
    model_name: str
    version: str
    transition: str
    policy: str
    policy_version: int
    evidence_digest: str
    reason: str
    proposed_by: str
    proposed_at: str
    confirmed_by: str | None
    confirmed_at: str | None
    expires_at: str
    finding_id: str | None


def moment(field: str, text: str) -> datetime:
    """Raises InvalidInput for what is no time, and for one without a time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 < found.year < 3000:
        raise InvalidInput(f"{field} is a time with its zone, such as 2026-12-24T18:00:00Z.", details={"field": field})
    return found
