"""Every route that the documents show for what has been built is served."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from api.routes import ROUTERS

# governance-design, Backend Service Interfaces, as written there.
DOCUMENTED = [
    ("POST", "/api/v1/models"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/models/{id}"),
    ("POST", "/api/v1/models/{id}/versions"),
    ("GET", "/api/v1/models/{id}/versions/{version}"),
    ("PUT", "/api/v1/models/{id}/versions/{version}/metadata"),
    ("POST", "/api/v1/models/{id}/versions/{version}/artifacts"),
    ("GET", "/api/v1/models/{id}/versions/{version}/artifacts/{artifactId}/download"),
    ("GET", "/api/v1/policies"),
    ("POST", "/api/v1/policies"),
    ("PUT", "/api/v1/policies/{id}"),
    ("POST", "/api/v1/policies/evaluate"),
    ("GET", "/api/v1/policies/results/{evaluationId}"),
    ("POST", "/api/v1/evaluation-suites"),
    ("GET", "/api/v1/evaluation-suites"),
    ("POST", "/api/v1/evaluations/run"),
    ("GET", "/api/v1/evaluations/{id}/results"),
    ("GET", "/api/v1/evaluations/{id}/status"),
    # catalog, Policy Management and Provenance & Auditing; governance-design, Policy Engine Service API.
    ("PUT", "/api/v1/policies/{policyId}"),
    ("GET", "/api/v1/provenance"),
    ("GET", "/api/v1/provenance/{recordId}"),
    ("POST", "/api/v1/provenance/query"),
    ("GET", "/api/v1/provenance/lineage/{artifactId}"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/audit/{entryId}"),
    ("POST", "/api/v1/audit/search"),
    ("GET", "/api/v1/audit/export"),
    ("GET", "/api/v1/activity"),
    ("GET", "/api/v1/activity/user/{userId}"),
    ("GET", "/api/v1/activity/artifact/{artifactId}"),
    ("POST", "/api/v1/activity/subscribe"),
    ("GET", "/api/v1/compliance/status"),
    ("GET", "/api/v1/compliance/reports"),
    ("POST", "/api/v1/compliance/validate"),
    ("GET", "/api/v1/compliance/certifications"),
]

# catalog, Policy Management.
DOCUMENTED += [
    ("GET", "/api/v1/policies/{policyId}"),
    ("DELETE", "/api/v1/policies/{policyId}"),
    ("GET", "/api/v1/policies/access"),
    ("GET", "/api/v1/policies/security"),
    ("GET", "/api/v1/policies/compliance"),
    ("GET", "/api/v1/policies/governance"),
    ("POST", "/api/v1/policies/{policyId}/enable"),
    ("POST", "/api/v1/policies/{policyId}/disable"),
    ("POST", "/api/v1/policies/{policyId}/evaluate"),
    ("GET", "/api/v1/policies/{policyId}/violations"),
    ("GET", "/api/v1/policies/{policyId}/report"),
    ("GET", "/api/v1/policies/compliance-report"),
    ("GET", "/api/v1/policies/audit-report"),
]

# enterprise-registry, Endpoints.
DOCUMENTED += [
    ("GET", "/api/models/enterprise/registry"),
    ("GET", "/api/models/enterprise/registry/{model_id}"),
    ("GET", "/api/models/enterprise/registry/{model_id}/metrics"),
    ("GET", "/api/models/enterprise/registry/{model_id}/health"),
    ("POST", "/api/models/enterprise/registry/{model_id}/inference"),
    ("GET", "/api/models/enterprise/types"),
    ("POST", "/api/models/enterprise/validation/run"),
    ("POST", "/api/models/enterprise/validation/nightly"),
    ("GET", "/api/models/enterprise/validation/history/{model_id}"),
    ("GET", "/api/models/enterprise/validation/regression-report/{model_id}"),
]


def shape(path: str) -> str:
    """The path without the names of its parameters, which are not part of the contract."""
    return re.sub(r"\{\w+\}", "{}", path)


SERVED = {
    (method, shape(route.path))
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
}


@pytest.mark.parametrize(("method", "path"), DOCUMENTED)
def test_documented_route_is_served(method: str, path: str) -> None:
    assert (method, shape(path)) in SERVED


def test_no_router_hides_the_literal_routes_of_a_later_one() -> None:
    """Routers that share a prefix are one list to the server."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    for index, earlier in enumerate(routes):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(earlier.path))
        for later in routes[index + 1 :]:
            if earlier.path.split("/")[:4] == later.path.split("/")[:4]:
                caught = re.fullmatch(pattern, later.path) and set(earlier.methods or ()) & set(later.methods or ())
                assert not caught, f"{earlier.path} hides {later.path}"


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: router.prefix)
def test_literal_routes_stand_before_routes_with_parameters(router: object) -> None:
    """A route with a parameter in the place of a word would catch the call that is meant for the word."""
    routes = [route for route in getattr(router, "routes", []) if isinstance(route, APIRoute)]
    for index, earlier in enumerate(routes):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(earlier.path))
        for later in routes[index + 1 :]:
            caught = re.fullmatch(pattern, later.path) and set(earlier.methods or ()) & set(later.methods or ())
            assert not caught, f"{earlier.path} hides {later.path}"
