"""The audit log, activity, provenance, legal holds."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read


class ActorRead(Read):
    kind: Literal["user", "system"]
    id: str
    name: str


class SubjectRead(Read):
    kind: str
    id: str


class AuditEntryRead(Read):
    id: str | None = Field(description="Of the event; null when the text was removed after its retention.")
    seq: int
    at: str | None
    action: str | None
    actor: ActorRead | None
    subject: SubjectRead | None
    request_id: str | None
    model_id: str | None
    version_id: str | None
    transition_request_id: str | None
    before: Any
    after: Any
    digest: str | None
    details: dict[str, Any] | None
    leaf: str = Field(description="RFC 6962 leaf hash of the entry, hexadecimal.")
    chain: str


class RemovedRead(Read):
    at: str
    archive: str


class AuditEntryDetail(AuditEntryRead):
    canonical: str | None = Field(description="The bytes that were hashed (RFC 8785).")
    removed: RemovedRead | None


class EntrySearch(Body):
    filter: dict[str, Any] = Field(
        default_factory=dict,
        description="actor, action (a beginning, or a list of them), subjectKind, subjectId, modelId, versionId, "
        "from, to, requestId, text. All that is given has to hold.",
        examples=[{"actor": "dana", "action": "request:", "from": "2026-01-01"}],
    )
    order: Literal["newest", "oldest"] = "newest"
    page_size: int = 50
    next_token: str | None = None


class CheckpointRead(Read):
    origin: str
    size: int
    root: str
    note: str = Field(description="The C2SP signed note.")


class InclusionRead(Read):
    leaf: str
    index: int
    size: int
    path: list[str]
    checkpoint: CheckpointRead


class ConsistencyRead(Read):
    first: int
    second: int
    first_root: str
    second_root: str
    path: list[str]
    checkpoint: CheckpointRead


class ActivityRead(Read):
    id: str
    seq: int
    at: str
    action: str
    actor: ActorRead
    subject: SubjectRead
    model_id: str | None
    model_name: str | None
    version_id: str | None
    version: str | None
    transition_request_id: str | None
    request_id: str | None
    sentence: str


class Subscribe(Body):
    filters: dict[str, Any] = Field(default_factory=dict, description="As in a search of the audit log, without text.")


class SubscriptionRead(Read):
    id: str
    filters: dict[str, Any]
    after_seq: int
    created_at: str
    stream: str = Field(description="Where it is read.")
    delivery: Literal["poll"] = Field(description="Nothing is pushed yet.")


class HoldCreate(Body):
    scope: Literal["log", "model", "subject"]
    reason: str
    model_id: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    until: str | None = Field(default=None, description="When it ends by itself; without it, when it is released.")


class HoldRead(Read):
    id: str
    scope: Literal["log", "model", "subject"]
    model_id: str | None
    subject_kind: str | None
    subject_id: str | None
    reason: str
    placed_by: str
    placed_at: str
    until: str | None
    released_by: str | None
    released_at: str | None


class NodeReference(Read):
    type: str
    id: str
    version: str | None = None


class RecordLineage(Read):
    upstream: list[NodeReference]
    downstream: list[NodeReference]


class RecordCompliance(Read):
    approved: bool
    approver: str | None
    approval_date: str | None
    policies: list[str]


class RecordImpact(Read):
    services: list[str]
    users: int | None
    criticality: str | None


class RecordAudit(Read):
    session_id: str | None
    ip_address: str | None
    user_agent: str | None
    request_id: str | None


class ProvenanceRead(Read):
    id: str
    timestamp: str
    type: str
    action: str
    artifact: str
    artifact_version: str | None
    user: str
    role: str | None
    description: str
    metadata: dict[str, Any]
    lineage: RecordLineage | None
    changes: dict[str, Any]
    compliance: RecordCompliance | None
    impact: RecordImpact | None
    audit: RecordAudit


class GraphNode(Read):
    id: str
    type: str
    label: str


class GraphEdge(Read):
    source: str
    target: str
    relationship: str


class LineageGraph(Read):
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class LineageImpact(Read):
    upstream: list[str]
    downstream: list[str]
    critical: list[str]


class LineageArtifact(Read):
    id: str
    type: str
    version: str | None


class Lineage(Read):
    artifact: LineageArtifact
    graph: LineageGraph
    impact: LineageImpact


class LineageRead(Read):
    lineage: Lineage
