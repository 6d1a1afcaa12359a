"""What versions were released on, and how live traffic falls into the same cells."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, Table
from sqlalchemy.dialects.postgresql import ARRAY

from storage.tables.base import identifier, json, metadata, moment, text

drift_references = Table(
    "drift_references",
    metadata,
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),  # pinned once
    identifier("suite_id", ForeignKey("evaluation_suites.id")),
    text("dataset_sha256"),
    text("outcomes_sha256", nullable=True),
    json("sketches"),
    Column("omitted", Integer, nullable=False),
    text("digest"),
    moment("created_at"),
)

live_sketches = Table(
    "live_sketches",
    metadata,
    identifier("version_id", ForeignKey("drift_references.version_id"), primary_key=True),
    moment("hour", primary_key=True),
    # Place of the feature among the sketches of the reference; -1: observations, and values of unknown features.
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("counts", ARRAY(BigInteger), nullable=False),
    CheckConstraint("position >= -1", name="position"),
)
