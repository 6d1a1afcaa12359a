"""Requests, decisions of people, findings."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text, texts

_UNDECIDED = "status in ('open', 'judging', 'awaiting_approval')"

requests = Table(
    "transition_requests",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id")),
    identifier("version_id", ForeignKey("model_versions.id")),
    text("transition"),
    text("status"),
    identifier("requester_id", ForeignKey("users.id")),
    text("reason"),
    Column("attempt", Integer, nullable=False),
    identifier("flow_run_id", nullable=True),
    json("evidence", nullable=True),
    text("evidence_digest", nullable=True),
    text("subject_digest", nullable=True),
    json("verdicts", nullable=True),
    json("outcome", nullable=True),
    json("judged_case", nullable=True),
    Column("break_glass", Boolean, nullable=False, server_default=sql("false")),
    moment("launched_at", nullable=True),
    moment("settled_at", nullable=True),
    moment("created_at"),
    moment("updated_at"),
    UniqueConstraint("id", "requester_id"),
    CheckConstraint(
        "status in ('open', 'judging', 'awaiting_approval', 'applied', 'denied', 'withdrawn')", name="status"
    ),
    Index("transition_requests_version_id_id_ix", "version_id", "id"),
    Index("transition_requests_model_id_id_ix", "model_id", "id"),
    Index("transition_requests_requester_id_id_ix", "requester_id", "id"),
    Index("transition_requests_undecided_ix", "updated_at", postgresql_where=sql(_UNDECIDED)),
    Index(
        "transition_requests_one_moves_a_version",
        "version_id",
        unique=True,
        postgresql_where=sql(f"{_UNDECIDED} and transition <> 'evaluate'"),
    ),
)

approvals = Table(
    "approvals",
    metadata,
    identifier(primary_key=True),
    identifier("request_id"),
    identifier("requester_id"),
    identifier("approver_id", ForeignKey("users.id")),
    text("decision"),
    text("comment"),
    text("evidence_digest"),
    moment("created_at"),
    json("envelope", nullable=True),  # the decision as it was signed (governance.signing)
    identifier("on_behalf_of", ForeignKey("users.id"), nullable=True),
    UniqueConstraint("request_id", "approver_id", "evidence_digest"),
    ForeignKeyConstraint(
        ["request_id", "requester_id"], ["transition_requests.id", "transition_requests.requester_id"]
    ),
    CheckConstraint("approver_id <> requester_id", name="not_by_the_requester"),
    CheckConstraint("on_behalf_of <> requester_id", name="not_for_the_requester"),
    CheckConstraint("on_behalf_of <> approver_id", name="not_for_oneself"),
    CheckConstraint("decision in ('approve', 'reject', 'request_changes')", name="decision"),
)

findings = Table(
    "findings",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id"), nullable=True),  # none: about the platform itself
    identifier("version_id", ForeignKey("model_versions.id"), nullable=True),
    text("kind", server_default="manual"),
    text("severity"),
    text("title"),
    text("status"),
    identifier("request_id", nullable=True),  # what it came out of; none for what people open themselves
    identifier("owner_id", ForeignKey("users.id"), nullable=True),
    identifier("opened_by", ForeignKey("users.id"), nullable=True),  # none: the platform itself
    moment("due_at", nullable=True),
    texts("blocks", server_default="{}"),
    Column("model_wide", Boolean, nullable=False, server_default=sql("false")),  # blocks every version of the model
    moment("created_at"),
    identifier("closed_by", ForeignKey("users.id"), nullable=True),
    moment("closed_at", nullable=True),
    text("resolution_kind", nullable=True),
    text("resolution", nullable=True),
    Index("findings_model_id_ix", "model_id", "id"),
    Index("findings_open_ix", "model_id", postgresql_where=sql("status = 'open'")),
    Index("findings_version_id_kind_ix", "version_id", "kind", postgresql_where=sql("status = 'open'")),
    CheckConstraint("(model_id is null) = (version_id is null)", name="subject"),
    CheckConstraint("severity in ('low', 'medium', 'high', 'critical')", name="severity"),
    CheckConstraint("status in ('open', 'closed')", name="status"),
    CheckConstraint("(status = 'closed') = (closed_at is not null)", name="closed_at"),
    CheckConstraint("resolution_kind in ('fixed', 'accepted', 'false_positive')", name="resolution_kind"),
)
