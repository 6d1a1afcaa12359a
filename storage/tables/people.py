"""Users, their tokens, and the keys under which they may repeat a call."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from storage.tables.base import identifier, json, metadata, moment, text, texts

_ROLES = (
    "'catalog_admin', 'data_scientist', 'ml_engineer', 'marketplace_user', 'auditor', 'viewer', 'approver', 'validator'"
)

# The columns from `groups` on are derived from memberships by triggers and never written here.
users = Table(
    "users",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("kind"),
    identifier("owner_id", ForeignKey("users.id"), nullable=True),  # the person behind a service account
    texts("roles"),
    texts("package_permissions", server_default="{}"),
    Column("clearance_level", Integer, nullable=False, server_default="0"),
    text("workspace", nullable=True),
    text("department", nullable=True),
    text("project", nullable=True),
    text("time_zone", server_default="UTC"),  # IANA name
    text("password_hash", nullable=True),
    Column("active", Boolean, nullable=False),
    moment("created_at"),
    moment("deleted_at", nullable=True),
    texts("groups", server_default="{}"),
    texts("every_group", server_default="{}"),
    texts("senior_groups", server_default="{}"),
    json("group_permissions", server_default="{}"),
    Column("access_level", Integer, nullable=False, server_default="0"),
    Column("access_epoch", BigInteger, nullable=False, server_default="1"),
    UniqueConstraint("name"),
    CheckConstraint("kind in ('person', 'service')", name="kind"),
    CheckConstraint(f"roles <@ ARRAY[{_ROLES}]", name="roles"),
    CheckConstraint(
        "package_permissions <@ ARRAY['search', 'download', 'upload']",
        name="package_permissions",
    ),
    CheckConstraint("kind = 'service' or owner_id is null", name="owner"),
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
    text("kind"),
    texts("scopes", nullable=True),  # none: everything that its user may do
    Column("calls_allowed", BigInteger, nullable=True),  # none: not counted
    Column("calls_left", BigInteger, nullable=True),
    UniqueConstraint("mac"),
    CheckConstraint("kind in ('login', 'api_key', 'session')", name="kind"),
    CheckConstraint("calls_left between 0 and calls_allowed", name="calls_left"),
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
