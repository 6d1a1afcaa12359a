"""How the audit log is found, kept and held; the log's own tables stand in `storage.audit_log.schema`."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text

# What an entry is about, read from its text: it can be thrown away and made again, and proves nothing.
audit_index = Table(
    "audit_index",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    text("event_id"),
    moment("at"),
    text("actor_id"),
    text("actor_name"),
    text("action"),
    text("subject_kind"),
    text("subject_id"),
    text("request_id", nullable=True),  # of the HTTP call
    identifier("model_id", nullable=True),
    identifier("version_id", nullable=True),
    identifier("dataset_id", nullable=True),
    identifier("change_id", nullable=True),  # the transition request
    Index("audit_index_event_id_ix", "event_id"),
    Index("audit_index_at_ix", "at"),
    Index("audit_index_actor_id_seq_ix", "actor_id", "seq"),
    Index("audit_index_action_seq_ix", "action", "seq", postgresql_ops={"action": "text_pattern_ops"}),
    Index("audit_index_subject_id_seq_ix", "subject_id", "seq"),
    Index("audit_index_model_id_seq_ix", "model_id", "seq", postgresql_where=sql("model_id is not null")),
    Index("audit_index_request_id_ix", "request_id", postgresql_where=sql("request_id is not null")),
)

# Runs of entries whose text was removed after its retention, with the archive that still has it.
audit_removals = Table(
    "audit_removals",
    metadata,
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    text("archive"),
    moment("removed_at"),
    CheckConstraint("first_seq <= last_seq", name="order"),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    identifier(primary_key=True),
    text("scope"),
    identifier("model_id", nullable=True),
    text("subject_kind", nullable=True),
    text("subject_id", nullable=True),
    text("reason"),
    identifier("placed_by", ForeignKey("users.id")),
    moment("placed_at"),
    moment("until", nullable=True),
    identifier("released_by", ForeignKey("users.id"), nullable=True),
    moment("released_at", nullable=True),
    CheckConstraint(
        "case scope when 'log' then model_id is null and subject_id is null and subject_kind is null "
        "when 'model' then model_id is not null and subject_id is null and subject_kind is null "
        "when 'subject' then model_id is null and subject_id is not null and subject_kind is not null "
        "else false end",
        name="scope",
    ),
)

activity_subscriptions = Table(
    "activity_subscriptions",
    metadata,
    identifier(primary_key=True),
    identifier("user_id", ForeignKey("users.id")),
    json("filters"),
    Column("after_seq", BigInteger, nullable=False),
    moment("created_at"),
    Index("activity_subscriptions_user_id_ix", "user_id", "id"),
)
