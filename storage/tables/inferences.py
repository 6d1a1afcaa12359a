"""What was measured of inferences."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, ForeignKey, Index, LargeBinary, Numeric, Table

from storage.tables.base import identifier, json, metadata, moment, text, texts

# One row for each commit, version and span of time; rows of one span are merged later (`storage.metrics.compaction`).
inference_sketches = Table(
    "inference_sketches",
    metadata,
    identifier(primary_key=True),
    identifier("version_id", ForeignKey("model_versions.id")),
    text("span"),
    moment("starts_at"),
    Column("points", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("sum_ns", Numeric, nullable=False),
    Column("min_ms", Float, nullable=False),
    Column("max_ms", Float, nullable=False),
    json("errors"),
    Column("sketch", LargeBinary, nullable=False),  # DDSketch as Protocol Buffers
    moment("last_at"),
    Index("inference_sketches_version_id_starts_at_ix", "version_id", "starts_at"),
    Index("inference_sketches_span_starts_at_ix", "span", "starts_at"),
    CheckConstraint("span in ('minute', 'hour', 'day')", name="span"),
    CheckConstraint("points > 0 and successes between 0 and points", name="points"),
)

# The same added up for all time, in the same transactions.
inference_totals = Table(
    "inference_totals",
    metadata,
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),
    Column("points", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("sum_ns", Numeric, nullable=False),
    texts("error_types"),
    moment("last_at"),
)

inference_reporters = Table(
    "inference_reporters",
    metadata,
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),
    identifier("user_id", ForeignKey("users.id"), primary_key=True),
    moment("since"),
)
