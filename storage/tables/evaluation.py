"""Datasets, suites and their runs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
)
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text, texts

datasets = Table(
    "datasets",
    metadata,
    identifier(primary_key=True),
    text("name"),
    text("group"),
    text("format"),
    text("sha256"),
    Column("size", BigInteger, nullable=False),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    Column("access_id", BigInteger, ForeignKey("access_rules.id"), nullable=False),
    UniqueConstraint("group", "name"),
    Index("datasets_access_id_ix", "access_id", "id"),
    Index("datasets_sha256_ix", "sha256"),
    CheckConstraint("format in ('parquet', 'csv')", name="format"),
)

suites = Table(
    "evaluation_suites",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id")),
    text("name"),
    identifier("dataset_id", ForeignKey("datasets.id"), nullable=True),
    text("task_type"),
    text("target", nullable=True),
    texts("features", nullable=True),
    texts("metrics"),
    json("thresholds"),
    Column("margin", Float, nullable=False),
    text("positive_label", nullable=True),
    text("digest"),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    text("kind", server_default="regression"),
    json("definition", server_default=sql("'{}'::jsonb")),
    UniqueConstraint("model_id", "name"),
    CheckConstraint("kind in ('unit', 'integration', 'regression', 'performance', 'smoke')", name="kind"),
    CheckConstraint("(dataset_id is null) = (target is null)", name="data"),
)

evaluations = Table(
    "evaluations",
    metadata,
    identifier(primary_key=True),
    identifier("version_id", ForeignKey("model_versions.id")),
    identifier("suite_id", ForeignKey("evaluation_suites.id")),
    identifier("request_id", ForeignKey("transition_requests.id")),
    text("status"),
    text("reason", nullable=True),
    text("weights_sha256", nullable=True),
    text("endpoint_digest", nullable=True),  # in place of weights, of a version that is served elsewhere
    text("outcomes_sha256", nullable=True),
    json("results", nullable=True),
    json("thresholds"),
    Column("passed", Boolean, nullable=True),
    moment("executed_at", nullable=True),
    moment("created_at"),
    UniqueConstraint("request_id", "suite_id"),
    Index("evaluations_version_id_suite_id_executed_at_ix", "version_id", "suite_id", "executed_at"),
    Index("evaluations_outcomes_sha256_ix", "outcomes_sha256"),
    CheckConstraint("status in ('queued', 'running', 'completed', 'failed')", name="status"),
    CheckConstraint("weights_sha256 is null or endpoint_digest is null", name="bound"),
)
