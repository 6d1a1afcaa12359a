"""Models, versions, artifacts, the edges of the lifecycle, and what serves where."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, UniqueConstraint
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text, texts

models = Table(
    "models",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("group"),
    text("description"),
    texts("owners"),
    text("risk_tier"),
    texts("tags"),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    moment("updated_at"),
    Column("access_id", BigInteger, ForeignKey("access_rules.id"), nullable=False),
    UniqueConstraint("group", "name"),
    Index("models_access_id_ix", "access_id", "id"),
    CheckConstraint("risk_tier in ('Low', 'Medium', 'High')", name="risk_tier"),
    Index("models_owners_ix", "owners", postgresql_using="gin"),
    Index("models_tags_ix", "tags", postgresql_using="gin"),
    Index(
        "models_search_ix",
        sql("(name || ' ' || description) gin_trgm_ops"),
        postgresql_using="gin",
    ),
)

versions = Table(
    "model_versions",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id")),
    text("version"),
    text("precedence"),  # the version without build metadata, which SemVer ignores in comparisons
    text("state"),
    text("commit_sha"),
    text("training_job_id", nullable=True),
    json("metadata"),
    Column("revision", Integer, nullable=False),
    identifier("last_request_id", nullable=True),  # the request that made the latest move
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    moment("updated_at"),
    UniqueConstraint("model_id", "precedence"),
    Index("model_versions_model_id_version_ix", "model_id", "version", unique=True),
    Index("model_versions_state_ix", "state", "model_id"),
    Index(
        "model_versions_one_in_production",
        "model_id",
        unique=True,
        postgresql_where=sql("state = 'production'"),
    ),
)

lifecycle_edges = Table(
    "lifecycle_edges",
    metadata,
    text("transition", primary_key=True),
    text("from_state", primary_key=True),
    text("to_state", primary_key=True),
)

artifacts = Table(
    "artifacts",
    metadata,
    identifier(primary_key=True),
    identifier("version_id", ForeignKey("model_versions.id")),
    text("type"),
    text("name"),
    text("media_type"),
    text("uri"),
    text("sha256"),
    Column("size", BigInteger, nullable=False),
    text("license", nullable=True),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    UniqueConstraint("version_id", "type", "name"),
    Index("artifacts_sha256_ix", "sha256"),
    CheckConstraint("type in ('weights', 'container', 'tokenizer', 'config')", name="type"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
)

content_inspections = Table(
    "content_inspections",
    metadata,
    text("sha256", primary_key=True),
    text("format"),
    Column("safe", Boolean, nullable=False),
    text("reason"),
    moment("inspected_at"),
)

deployments = Table(
    "deployments",
    metadata,
    identifier("model_id", ForeignKey("models.id"), primary_key=True),
    text("environment", primary_key=True),
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),
    text("endpoint"),
    Column("traffic_percent", Integer, nullable=False),
    identifier("request_id"),
    moment("since"),
    Index("deployments_version_id_ix", "version_id"),
    CheckConstraint("traffic_percent between 1 and 100", name="traffic_percent"),
)
