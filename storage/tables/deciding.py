"""Who decides for whom, and which soft gates were overridden."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table

from storage.tables.base import identifier, json, metadata, moment, text, texts

delegations = Table(
    "delegations",
    metadata,
    identifier(primary_key=True),
    identifier("delegator_id", ForeignKey("users.id")),
    identifier("delegate_id", ForeignKey("users.id")),
    texts("groups"),
    texts("transitions"),
    texts("risk_tiers"),
    text("reason"),
    moment("starts_at"),
    moment("ends_at"),
    moment("revoked_at", nullable=True),
    identifier("revoked_by", nullable=True),
    moment("created_at"),
    CheckConstraint("delegator_id <> delegate_id", name="not_to_oneself"),
    CheckConstraint("starts_at < ends_at and ends_at <= starts_at + interval '30 days'", name="term"),
    Index("delegations_delegator_id_id_ix", "delegator_id", "id"),
    Index("delegations_delegate_id_id_ix", "delegate_id", "id"),
)

overrides = Table(
    "overrides",
    metadata,
    identifier(primary_key=True),
    identifier("request_id", ForeignKey("transition_requests.id")),
    text("policy"),
    Column("policy_version", Integer, nullable=False),
    text("evidence_digest"),
    text("reason"),
    identifier("proposed_by", ForeignKey("users.id")),
    moment("proposed_at"),
    identifier("confirmed_by", ForeignKey("users.id"), nullable=True),
    moment("confirmed_at", nullable=True),
    moment("expires_at"),
    identifier("finding_id", nullable=True),
    json("envelope"),  # as it was signed (governance.signing); of the proposal until it is confirmed
    CheckConstraint("confirmed_by <> proposed_by", name="two_people"),
    CheckConstraint("(confirmed_by is null) = (confirmed_at is null)", name="confirmed"),
    CheckConstraint("expires_at <= proposed_at + interval '14 days'", name="term"),
    Index("overrides_request_id_id_ix", "request_id", "id"),
)
