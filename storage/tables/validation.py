"""Samples of suites, pinned baselines, executions of suites, validation runs and their nights."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)
from sqlalchemy import text as sql

from storage.tables.base import identifier, json, metadata, moment, text, texts

_SETTLED = "status in ('passed', 'failed', 'error', 'insufficient_evidence')"


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


# Newer examples of what a suite is about; the newest one stands in for the suite's own dataset.
suite_samples = Table(
    "suite_samples",
    metadata,
    identifier("suite_id", ForeignKey("evaluation_suites.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    identifier("dataset_id", ForeignKey("datasets.id")),
    identifier("created_by", ForeignKey("users.id")),
    moment("created_at"),
    UniqueConstraint("suite_id", "dataset_id"),
)

# Per suite the version that is to be no worse than, with its outcomes example by example.
baselines = Table(
    "baselines",
    metadata,
    identifier(primary_key=True),
    identifier("model_id", ForeignKey("models.id")),
    identifier("suite_id", ForeignKey("evaluation_suites.id")),
    identifier("version_id", ForeignKey("model_versions.id")),
    text("suite_digest"),
    text("dataset_sha256"),
    text("outcomes_sha256"),
    Column("score", Float),  # share of right answers, or mean loss
    identifier("request_id", ForeignKey("transition_requests.id"), nullable=True),  # the promotion; none: pinned later
    moment("pinned_at"),
    moment("released_at", nullable=True),
    Index("baselines_one_pin", "suite_id", unique=True, postgresql_where=sql("released_at is null")),
    Index("baselines_suite_id_ix", "suite_id", "pinned_at"),
    Index("baselines_outcomes_sha256_ix", "outcomes_sha256"),
    CheckConstraint("released_at >= pinned_at", name="released_at"),
)

# What a suite found about exactly this content on exactly these examples.
suite_executions = Table(
    "suite_executions",
    metadata,
    identifier("version_id", ForeignKey("model_versions.id"), primary_key=True),
    text("suite_digest", primary_key=True),
    text("dataset_sha256", primary_key=True),
    text("subject_digest", primary_key=True),  # of the weights or of the endpoint's description
    identifier("suite_id", ForeignKey("evaluation_suites.id")),
    text("outcomes_sha256", nullable=True),
    json("results"),
    json("tests"),
    moment("executed_at"),
    Index("suite_executions_outcomes_sha256_ix", "outcomes_sha256"),
)

validation_nights = Table(
    "validation_nights",
    metadata,
    identifier(primary_key=True),
    Column("night", Date, nullable=False),
    text("trigger"),
    text("status"),
    identifier("requested_by", ForeignKey("users.id"), nullable=True),
    identifier("flow_run_id", nullable=True),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("models", Integer, nullable=False),
    Column("batches", Integer, nullable=False),
    moment("started_at"),
    moment("deadline_at"),
    moment("completed_at", nullable=True),
    json("summary", server_default="{}"),
    UniqueConstraint("night"),
    CheckConstraint("trigger in ('schedule', 'request', 'watch')", name="trigger"),
    CheckConstraint("status in ('running', 'completed', 'partial', 'missed')", name="status"),
    CheckConstraint("(status = 'running') = (completed_at is null)", name="completed_at"),
)

validation_batches = Table(
    "validation_batches",
    metadata,
    identifier("night_id", ForeignKey("validation_nights.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    text("status"),
    Column("attempt", Integer, nullable=False, server_default="1"),
    identifier("flow_run_id", nullable=True),
    moment("started_at", nullable=True),
    moment("finished_at", nullable=True),
    CheckConstraint("status in ('queued', 'running', 'done', 'given_up')", name="status"),
)

validation_runs = Table(
    "validation_runs",
    metadata,
    identifier(primary_key=True),
    text("run_id"),
    identifier("night_id", ForeignKey("validation_nights.id"), nullable=True),
    Column("batch", Integer),
    identifier("model_id", ForeignKey("models.id")),
    identifier("version_id", ForeignKey("model_versions.id")),
    identifier("requested_by", ForeignKey("users.id"), nullable=True),
    texts("case_ids", nullable=True),
    text("status"),
    text("reason", nullable=True),
    _count("total_tests"),
    _count("passed_tests"),
    _count("failed_tests"),
    _count("error_tests"),
    _count("undecided_tests"),
    Column("regression_detected", Boolean, nullable=False, server_default=sql("false")),
    text("regression_severity", server_default="none"),
    json("tests", nullable=True),
    json("measured", nullable=True),  # `governance.validation.runs.Measured`
    json("judged", nullable=True),  # what the night, or the run alone, made of it
    identifier("flow_run_id", nullable=True),
    Column("attempt", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("completed_at", nullable=True),
    UniqueConstraint("run_id"),
    UniqueConstraint("night_id", "version_id"),
    Index("validation_runs_version_id_ix", "version_id", "created_at"),
    Index("validation_runs_model_id_ix", "model_id", "created_at"),
    Index("validation_runs_night_id_batch_ix", "night_id", "batch", "status"),
    Index("validation_runs_undone_ix", "created_at", postgresql_where=sql("completed_at is null")),
    CheckConstraint(
        "status in ('queued', 'running', 'measured', 'passed', 'failed', 'error', 'insufficient_evidence')",
        name="status",
    ),
    CheckConstraint(f"(completed_at is not null) = ({_SETTLED})", name="completed_at"),
    CheckConstraint("regression_severity in ('none', 'low', 'medium', 'high')", name="regression_severity"),
    CheckConstraint("(night_id is null) = (batch is null)", name="batch"),
)
