"""The routes, one module a resource; the order of `ROUTERS` is the order in the description."""

from fastapi import APIRouter

from api.pages import assets, runs, signing
from api.routes import (
    access,
    artifacts,
    datasets,
    downloads,
    evaluations,
    evidence,
    findings,
    groups,
    health,
    models,
    oidc,
    package_users,
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
    evidence.router,
    suites.router,
    evaluations.router,
    datasets.router,
    traffic.router,
    findings.router,
    policies.router,
    sign_in.router,
    oidc.router,
    users.router,
    groups.router,
    access.router,
    package_users.router,
    downloads.router,
    health.router,
    assets.router,
    signing.router,
    runs.router,
)

# What may be called without a token: signing in, addresses that carry their own signature, liveness, this description.
PUBLIC = frozenset(
    {
        ("POST", "/api/v1/auth/login"),
        ("POST", "/authenticate"),
        ("GET", "/api/v1/auth/oidc/configuration"),
        ("GET", "/api/v1/auth/oidc/login"),
        ("GET", "/api/v1/auth/oidc/callback"),
        ("POST", "/api/v1/auth/oidc/exchange"),
        ("GET", "/api/v1/content/{sha256}"),
        ("HEAD", "/api/v1/content/{sha256}"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/docs/start.js"),
        ("GET", "/static/{name}"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/dashboard"),  # leads to the guarded part (`api.dashboard`), which asks for a session itself
    }
)
