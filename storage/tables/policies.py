"""Policies with all their versions, changes of them, and trial evaluations."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text

policies = Table(
    "policies",
    metadata,
    text("name", primary_key=True),
    Column("version", Integer, primary_key=True),
    json("parameters"),
    json("definition", nullable=True),  # null: built in, with these parameters
    json("samples", nullable=True),
    text("state"),
    identifier("created_by", nullable=True),
    moment("created_at"),
    CheckConstraint(
        "state in ('draft', 'proposed', 'active', 'superseded', 'disabled', 'retired')",
        name="state",
    ),
    Index("policies_one_active", "name", unique=True, postgresql_where=sql("state = 'active'")),
)

policy_changes = Table(
    "policy_changes",
    metadata,
    identifier(primary_key=True),
    text("policy"),
    Column("version", Integer, nullable=False),
    text("action"),
    text("state"),
    text("reason"),
    text("digest"),
    json("before", nullable=True),
    json("after", nullable=True),
    identifier("proposed_by", ForeignKey("users.id")),
    identifier("proposed_behind"),  # the person behind the account
    moment("proposed_at"),
    text("proposed_entry"),  # SHA-256 of the leaf of its audit entry, in hex
    identifier("decided_by", ForeignKey("users.id"), nullable=True),
    identifier("decided_behind", nullable=True),
    moment("decided_at", nullable=True),
    text("comment", nullable=True),
    text("decided_entry", nullable=True),
    ForeignKeyConstraint(["policy", "version"], ["policies.name", "policies.version"]),
    CheckConstraint("action in ('create', 'update', 'enable', 'disable', 'retire')", name="action"),
    CheckConstraint("state in ('pending', 'approved', 'rejected')", name="state"),
    CheckConstraint(
        "state <> 'approved' or (decided_behind is not null and decided_behind <> proposed_behind)",
        name="by_another_person",
    ),
    Index("policy_changes_one_pending", "policy", unique=True, postgresql_where=sql("state = 'pending'")),
    Index("policy_changes_policy_id_ix", "policy", "id"),
)

policy_evaluations = Table(
    "policy_evaluations",
    metadata,
    identifier(primary_key=True),
    text("policy", nullable=True),  # null: all that apply
    identifier("model_id", ForeignKey("models.id"), nullable=True),
    identifier("version_id", ForeignKey("model_versions.id"), nullable=True),
    text("transition"),
    text("outcome"),
    json("answer"),
    identifier("requested_by", ForeignKey("users.id")),
    moment("created_at"),
    CheckConstraint("(model_id is null) = (version_id is null)", name="version_of_a_model"),
)
