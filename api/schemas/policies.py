"""Policies as data, changes of them, trials, reports."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read
from api.schemas.governing import GateRead

Kind = Literal["access", "security", "compliance", "governance"]
Enforcement = Literal["advisory", "soft", "hard"]
State = Literal["draft", "proposed", "active", "superseded", "disabled", "retired"]
_RULE = "evaluation.taskMetrics.accuracy >= 0.9 && model.riskTier != 'High'"


class ScopeBody(Body):
    transitions: list[str] = Field(examples=[["approve_production"]])
    risk_tiers: list[str] = Field(default_factory=list, description="Empty: all.")
    groups: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list, description="The model has at least one of them.")
    model_types: list[str] = Field(default_factory=list, description="What versions call their metadata.modelType.")


class RuleBody(Body):
    id: str = Field(examples=["accuracy"])
    expression: str = Field(description="CEL over the variables of GET /api/v1/policies/variables.", examples=[_RULE])
    message: str = Field(description="What a refusal says.", examples=["The accuracy is too low."])


class SamplesBody(Body):
    """Each sample is what differs from a version with nothing wrong: {"evidence": {...}, "measured", "reason"}."""

    allowed: list[dict[str, Any]]
    denied: list[dict[str, Any]]


class PolicyCreate(Body):
    name: str = Field(examples=["accurate-enough"], max_length=64)
    title: str = Field(examples=["Is it accurate enough?"])
    kind: Kind
    enforcement: Enforcement
    scope: ScopeBody
    rules: list[RuleBody]
    samples: SamplesBody
    reason: str = ""
    draft: bool = Field(default=False, description="Only write it down; `enable` proposes it later.")


class PolicyUpdate(Body):
    """`parameters` of a built-in policy, or everything else of a written one."""

    parameters: dict[str, Any] | None = None
    title: str | None = None
    kind: Kind | None = None
    enforcement: Enforcement | None = None
    scope: ScopeBody | None = None
    rules: list[RuleBody] | None = None
    samples: SamplesBody | None = None
    reason: str = ""
    draft: bool = False


class Because(Body):
    reason: str = ""


class ChangeDecide(Body):
    digest: str = Field(description="Of the change that was read; the decision binds to it.")
    comment: str = ""


class TrialBody(Body):
    """A version with a transition, or for one policy a part of a case."""

    model_id: str | None = None
    version: str | None = None
    transition: str | None = None
    reason: str = ""
    sample: dict[str, Any] | None = Field(default=None, description="As samples of policies are written.")


class EvaluateBody(Body):
    model_id: str
    version: str
    transition: str
    reason: str = ""


class ImpactBody(Body):
    """What to hold against the past: nothing for what is proposed or drafted, or new parameters, or a definition."""

    version: int | None = Field(default=None, description="A version of the policy.")
    parameters: dict[str, Any] | None = None
    title: str | None = None
    kind: Kind | None = None
    enforcement: Enforcement | None = None
    scope: ScopeBody | None = None
    rules: list[RuleBody] | None = None
    samples: SamplesBody | None = None


class VariableRead(Read):
    name: str
    type: str
    meaning: str


class ScopeRead(Read):
    transitions: list[str]
    risk_tiers: list[str]
    groups: list[str]
    tags: list[str]
    model_types: list[str]


class RuleRead(Read):
    id: str
    expression: str
    message: str


class PolicyRead(Read):
    id: str
    name: str
    title: str
    version: int = Field(description="The one in force; of a policy that is not, the newest.")
    state: State
    kind: Kind
    enforcement: Enforcement
    transitions: list[str]
    scope: ScopeRead
    built_in: bool
    parameters: dict[str, Any]
    rules: list[RuleRead]


class PolicyVersionRead(Read):
    version: int
    state: State
    definition: dict[str, Any]
    created_at: str | None


class PolicyDetail(PolicyRead):
    samples: dict[str, Any] | None
    versions: list[PolicyVersionRead] = Field(description="Newest first, at most 100.")
    pending_change: str | None = Field(description="Id of the change that waits for a second person.")


class AuditEntriesRead(Read):
    """Leaves of the audit log (SHA-256 in hex)."""

    proposed: str
    decided: str | None


class ChangeRead(Read):
    id: str
    policy: str
    version: int
    action: Literal["create", "update", "enable", "disable", "retire"]
    state: Literal["pending", "approved", "rejected"]
    reason: str
    digest: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    proposed_by: str
    proposed_at: str
    decided_by: str | None
    decided_at: str | None
    comment: str | None
    audit_entries: AuditEntriesRead


class FlipRead(Read):
    request_id: str
    model_id: str
    model_name: str
    version_id: str
    version: str
    transition: str
    settled_at: str
    was: Literal["allowed", "denied"]
    would_be: Literal["allowed", "denied"]
    outcome: Literal["passed", "failed", "unknown"] | None
    reasons: list[str]


class FallOutRead(Read):
    model_id: str
    model_name: str
    version_id: str
    version: str
    state: str
    transition: str
    request_id: str
    outcome: Literal["failed", "unknown"]
    reasons: list[str]


class ImpactDecisions(Read):
    looked: int
    complete: bool
    since: str | None
    denied: int
    allowed: int
    flips: list[FlipRead]


class ImpactVersions(Read):
    looked: int = Field(description="Decisions by which present versions in staging and production got there.")
    complete: bool
    production: int
    staging: int
    fall_out: list[FallOutRead]


class ImpactRead(Read):
    policy: str
    version: int | None
    decisions: ImpactDecisions
    versions: ImpactVersions


class ChangeDetail(ChangeRead):
    impact: ImpactRead | None = Field(description="Of a pending change, on what the caller may see.")


class WrittenRead(Read):
    policy: PolicyDetail
    change: ChangeRead | None


class TrialGate(GateRead):
    kind: Kind


class DecisionRead(Read):
    outcome: Literal["allowed", "denied", "waiting"]
    reasons: list[str]


class MeasuredFrom(Read):
    request_id: str
    transition: str
    at: str


class TrialRead(Read):
    id: str
    policy: str | None
    transition: str
    outcome: Literal["passed", "failed", "unknown", "allowed", "denied", "waiting"]
    evidence_digest: str
    at: str
    model_id: str | None
    version_id: str | None
    version: str | None
    subject_from: Literal["tables", "given"]
    measured_from: MeasuredFrom | None = Field(description="The frozen evidence that measurements were taken from.")
    results: list[TrialGate]
    decision: DecisionRead | None


class ViolationRead(Read):
    request_id: str
    model_id: str
    model_name: str
    version_id: str
    version: str
    transition: str
    status: str
    policy_version: int
    enforcement: Enforcement
    outcome: Literal["failed", "unknown"]
    reasons: list[str]
    overridden: bool
    settled_at: str


class CountsRead(Read):
    passed: int
    failed: int
    unknown: int
    overridden: int


class VersionCounts(CountsRead):
    version: int
    last_judged_at: str


class ReportRead(Read):
    policy: PolicyRead
    total: CountsRead
    by_version: list[VersionCounts]
    recent: list[ViolationRead]


class PolicyCounts(CountsRead):
    policy: str
    kind: Kind


class KindCounts(CountsRead):
    kind: Kind


class FailingRead(FallOutRead):
    policy: str
    kind: Kind
    enforcement: Enforcement


class ProductionRead(Read):
    looked: int
    failing: list[FailingRead]


class ComplianceRead(Read):
    since: str
    until: str
    kinds: list[KindCounts]
    policies: list[PolicyCounts]
    production: ProductionRead


class ReplayRead(Read):
    request_id: str
    transition: str
    recorded: Literal["applied", "denied"]
    same: bool
    decision: Literal["allowed", "denied", "waiting"]
    verdicts: list[GateRead]
    digest: str
    recorded_digest: str
    difference: list[dict[str, Any]]
