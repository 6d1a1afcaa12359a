"""The tables, as SQLAlchemy Core sees them. `migrations/` creates them; a test compares the two."""

from storage.tables.base import metadata
from storage.tables.evaluation import datasets, evaluations, suites
from storage.tables.governing import approvals, findings, policies, requests
from storage.tables.limits import sign_in_limits
from storage.tables.people import idempotency_keys, tokens, users
from storage.tables.registry import artifacts, content_inspections, deployments, lifecycle_edges, models, versions

__all__ = [
    "approvals",
    "artifacts",
    "content_inspections",
    "datasets",
    "deployments",
    "evaluations",
    "findings",
    "idempotency_keys",
    "lifecycle_edges",
    "metadata",
    "models",
    "policies",
    "requests",
    "sign_in_limits",
    "suites",
    "tokens",
    "users",
    "versions",
]
