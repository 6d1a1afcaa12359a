"""What is expected of datasets, and what validations found."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, Index, Integer, Table, UniqueConstraint

from storage.tables.base import identifier, json, metadata, moment, text

expectation_suites = Table(
    "expectation_suites",
    metadata,
    identifier(primary_key=True),
    identifier("dataset_id", ForeignKey("datasets.id")),
    Column("number", Integer, nullable=False),
    json("expectations"),
    json("source"),
    text("digest"),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    UniqueConstraint("dataset_id", "number"),
)

data_validations = Table(
    "data_validations",
    metadata,
    identifier(primary_key=True),
    identifier("dataset_id", ForeignKey("datasets.id")),
    Column("number", Integer, nullable=False),
    text("digest"),
    text("dataset_sha256"),
    json("source"),
    text("status"),
    text("reason", nullable=True),
    Column("checked", Integer, nullable=False),
    json("failures"),
    Column("rows", Integer, nullable=True),
    Column("seconds", Float, nullable=True),
    text("correlation", nullable=True),
    identifier("requested_by", ForeignKey("users.id"), nullable=True),
    moment("created_at"),
    moment("executed_at", nullable=True),
    Index("data_validations_dataset_id_ix", "dataset_id", "id"),
    Index("data_validations_latest_ix", "dataset_id", "number", "executed_at"),
    CheckConstraint("status in ('queued', 'running', 'passed', 'failed', 'error')", name="status"),
)

expectation_profiles = Table(
    "expectation_profiles",
    metadata,
    identifier(primary_key=True),
    identifier("dataset_id", ForeignKey("datasets.id")),
    text("dataset_sha256"),
    text("status"),
    text("reason", nullable=True),
    json("expectations"),
    Column("rows", Integer, nullable=True),
    identifier("requested_by", ForeignKey("users.id")),
    moment("created_at"),
    moment("finished_at", nullable=True),
    Index("expectation_profiles_dataset_id_ix", "dataset_id", "id"),
    CheckConstraint("status in ('queued', 'running', 'done', 'error')", name="status"),
)
