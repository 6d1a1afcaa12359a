"""Freeze windows, reviews of approvals, what people were told about a request, and events to tell others."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text, texts

freeze_windows = Table(
    "freeze_windows",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("reason"),
    moment("starts_at", nullable=True),
    moment("ends_at", nullable=True),
    json("weekly", nullable=True),  # {"days": [0 = Monday, ...], "from": "18:00", "to": "08:00", "timeZone": IANA name}
    texts("groups", server_default="{}"),
    texts("transitions", server_default="{}"),
    texts("risk_tiers", server_default="{}"),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    identifier("lifted_by", ForeignKey("users.id"), nullable=True),
    moment("lifted_at", nullable=True),  # a window is never deleted, since it was judged by
    CheckConstraint("weekly is not null or starts_at is not null and ends_at is not null", name="times"),
    Index("freeze_windows_standing_ix", "ends_at", postgresql_where=sql("lifted_at is null")),
)

reviews = Table(
    "reviews",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id")),
    identifier("version_id", ForeignKey("model_versions.id")),
    identifier("request_id", ForeignKey("transition_requests.id")),  # the approval that is to be reviewed
    text("status"),
    moment("due_at"),
    moment("created_at"),
    identifier("finding_id", ForeignKey("findings.id"), nullable=True),  # opened when it was overdue
    moment("escalated_at", nullable=True),
    identifier("completed_by", ForeignKey("users.id"), nullable=True),
    moment("completed_at", nullable=True),
    text("comment", nullable=True),
    CheckConstraint("status in ('open', 'completed', 'superseded', 'lapsed')", name="status"),
    Index("reviews_one_open", "version_id", unique=True, postgresql_where=sql("status = 'open'")),
    Index("reviews_due_ix", "due_at", postgresql_where=sql("status = 'open'")),
    Index("reviews_model_id_ix", "model_id", "id"),
)

request_notices = Table(
    "request_notices",
    metadata,
    identifier("request_id", ForeignKey("transition_requests.id"), primary_key=True),
    text("kind", primary_key=True),
    moment("at"),
    json("data"),
    CheckConstraint("kind in ('reminded', 'escalated', 'expired', 'superseded', 'ended')", name="kind"),
)

events = Table(
    "events",
    metadata,
    identifier(primary_key=True),
    moment("at"),
    text("type"),
    text("subject_kind"),
    identifier("subject_id"),
    identifier("model_id", ForeignKey("models.id"), nullable=True),  # none: about the platform itself
    json("data"),
    # The transaction that wrote it: readers pass over transactions that may still commit, so that none is missed.
    Column("xact", BigInteger, nullable=False, server_default=sql("pg_current_xact_id()::text::bigint")),
    Index("events_xact_ix", "xact", "id"),
    Index("events_model_id_ix", "model_id", "xact", "id"),
)
