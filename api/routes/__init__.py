"""The routes, one module a resource; the order of `ROUTERS` is the order in the description."""

from fastapi import APIRouter

from api.routes import (
    artifacts,
    datasets,
    downloads,
    evaluations,
    findings,
    health,
    models,
    policies,
    requests,
    sign_in,
    suites,
    traffic,
    transitions,
    users,
    versions,
)

ROUTERS: tuple[APIRouter, ...] = (
    models.router,
    versions.router,
    artifacts.router,
    transitions.router,
    requests.router,
    suites.router,
    evaluations.router,
    datasets.router,
    traffic.router,
    findings.router,
    policies.router,
    sign_in.router,
    users.router,
    downloads.router,
    health.router,
)

# What may be called without a token: signing in, addresses that carry their own signature, liveness, this description.
PUBLIC = frozenset(
    {
        ("POST", "/api/v1/auth/login"),
        ("GET", "/api/v1/content/{sha256}"),
        ("HEAD", "/api/v1/content/{sha256}"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/docs/start.js"),
        ("GET", "/dashboard"),  # leads to the guarded part (`api.dashboard`), which asks for a session itself
    }
)
