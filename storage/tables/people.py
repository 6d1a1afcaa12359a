"""Users, their tokens, and the keys under which they may repeat a call."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from storage.tables.base import identifier, metadata, moment, text, texts

users = Table(
    "users",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("role"),
    texts("groups"),
    text("password_hash", nullable=True),
    Column("active", Boolean, nullable=False),
    moment("created_at"),
    UniqueConstraint("name"),
    CheckConstraint("role in ('developer', 'approver', 'admin')", name="role"),
)

tokens = Table(
    "tokens",
    metadata,
    identifier(primary_key=True),
    identifier("user_id", ForeignKey("users.id")),
    Column("mac", LargeBinary, nullable=False),  # HMAC-SHA256 of the token; the token itself is never stored
    text("label"),
    moment("created_at"),
    moment("expires_at"),
    moment("revoked_at", nullable=True),
    UniqueConstraint("mac"),
    Index("tokens_user_id_ix", "user_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    identifier("principal_id", primary_key=True),
    text("key", primary_key=True),
    text("fingerprint"),
    identifier("resource_id"),
    moment("created_at"),
)
