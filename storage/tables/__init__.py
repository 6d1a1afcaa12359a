"""The tables, as SQLAlchemy Core sees them. `migrations/` creates them; a test compares the two."""

from storage.tables.access import access_rules, contributors, group_members, groups
from storage.tables.base import metadata
from storage.tables.deadlines import events, freeze_windows, request_notices, reviews
from storage.tables.deciding import delegations, overrides
from storage.tables.drift import drift_references, live_sketches
from storage.tables.endpoints import endpoint_breakers
from storage.tables.evaluation import datasets, evaluations, suites
from storage.tables.external_identities import external_identities
from storage.tables.governing import approvals, findings, requests
from storage.tables.history import activity_subscriptions, audit_index, audit_removals, legal_holds
from storage.tables.limits import sign_in_limits
from storage.tables.people import idempotency_keys, tokens, users
from storage.tables.policies import policies, policy_changes, policy_evaluations
from storage.tables.registry import artifacts, content_inspections, deployments, lifecycle_edges, models, versions
from storage.tables.validation import (
    baselines,
    suite_executions,
    suite_samples,
    validation_batches,
    validation_nights,
    validation_runs,
)

__all__ = [
    "access_rules",
    "activity_subscriptions",
    "approvals",
    "artifacts",
    "audit_index",
    "audit_removals",
    "baselines",
    "content_inspections",
    "contributors",
    "datasets",
    "delegations",
    "deployments",
    "drift_references",
    "endpoint_breakers",
    "evaluations",
    "events",
    "external_identities",
    "findings",
    "freeze_windows",
    "group_members",
    "groups",
    "idempotency_keys",
    "legal_holds",
    "lifecycle_edges",
    "live_sketches",
    "metadata",
    "models",
    "overrides",
    "policies",
    "policy_changes",
    "policy_evaluations",
    "request_notices",
    "requests",
    "reviews",
    "sign_in_limits",
    "suite_executions",
    "suite_samples",
    "suites",
    "tokens",
    "users",
    "validation_batches",
    "validation_nights",
    "validation_runs",
    "versions",
]
