"""Groups, who is in them, what assets are open to, and who took part in making a version."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from storage.tables.base import identifier, metadata, moment, text, texts

groups = Table(
    "groups",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("description"),
    identifier("parent_id", ForeignKey("groups.id"), nullable=True),
    Column("admin_level", Integer, nullable=False),
    Column("access_level", Integer, nullable=False),
    texts("permissions"),
    texts("external_names"),  # values of an identity provider's groups claim
    moment("created_at"),
    moment("updated_at"),
    UniqueConstraint("name"),
    CheckConstraint("admin_level between 0 and 3", name="admin_level"),
    CheckConstraint("access_level between 0 and 2", name="access_level"),
    Index("groups_parent_id_ix", "parent_id"),
    Index("groups_external_names_ix", "external_names", postgresql_using="gin"),
)

group_members = Table(
    "group_members",
    metadata,
    identifier("group_id", ForeignKey("groups.id"), primary_key=True),
    identifier("user_id", ForeignKey("users.id"), primary_key=True),
    text("source", primary_key=True),
    identifier("added_by", nullable=True),
    moment("added_at"),
    CheckConstraint("source in ('local', 'oidc')", name="source"),
    Index("group_members_user_id_ix", "user_id"),
)

access_rules = Table(
    "access_rules",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    text("digest"),
    Column("access_level", Integer, nullable=False),
    texts("owner_groups"),
    texts("allowed_groups"),
    texts("restricted_groups"),
    texts("readers"),  # owner groups and allowed groups
    Column("sensitive", Boolean, nullable=False),
    Column("clearance_level", Integer, nullable=False),
    text("workspace", nullable=True),
    text("department", nullable=True),
    text("project", nullable=True),
    UniqueConstraint("digest"),
    CheckConstraint("access_level between 0 and 2", name="access_level"),
)

contributors = Table(
    "contributors",
    metadata,
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),
    identifier("user_id", ForeignKey("users.id"), primary_key=True),
    text("relation", primary_key=True),
    moment("created_at"),
    CheckConstraint("relation in ('author', 'trainer')", name="relation"),
)
