"""Every route that the governance document shows for the registry and the evaluation service is served."""

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
    ("PUT", "/api/v1/policies/{id}"),
    ("POST", "/api/v1/evaluation-suites"),
    ("GET", "/api/v1/evaluation-suites"),
    ("POST", "/api/v1/evaluations/run"),
    ("GET", "/api/v1/evaluations/{id}/results"),
    ("GET", "/api/v1/evaluations/{id}/status"),
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


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: router.prefix)
def test_literal_routes_stand_before_routes_with_parameters(router: object) -> None:
    """A route with a parameter in the place of a word would catch the call that is meant for the word."""
    routes = [route for route in getattr(router, "routes", []) if isinstance(route, APIRoute)]
    for index, earlier in enumerate(routes):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(earlier.path))
        for later in routes[index + 1 :]:
            caught = re.fullmatch(pattern, later.path) and set(earlier.methods or ()) & set(later.methods or ())
            assert not caught, f"{earlier.path} hides {later.path}"
