"""The interface describes itself completely, admits nobody by default, and its page needs no other machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from api.app import create_app
from api.deps import current_principal
from api.errors import CODES
from api.routes import PUBLIC, ROUTERS
from storage.composition import Platform
from storage.settings import Settings
from tests.api.served import ServedApi

_PROVING = ("/login", "/oidc/callback", "/oidc/exchange")
"""Public routes that can refuse whoever calls: there one proves who one is."""


def dependencies(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from dependencies(inner)


def api_routes() -> list[APIRoute]:
    routes = [route for router in ROUTERS for route in router.routes]
    assert all(isinstance(route, APIRoute) for route in routes), "a websocket or mount needs a rule of its own"
    return [route for route in routes if isinstance(route, APIRoute)]


_BESIDE = ("/docs", "/openapi", "/dashboard")  # no routes of ours; the next test lists them


def test_every_route_knows_its_caller_or_is_public_on_purpose() -> None:
    unguarded = {
        (method, route.path)
        for route in api_routes()
        for method in route.methods or ()
        if current_principal not in dependencies(route.dependant)
    }
    assert unguarded == {(method, path) for method, path in PUBLIC if not path.startswith(_BESIDE)}


def test_nothing_is_served_beside_the_routers_but_the_description(tmp_path_factory: pytest.TempPathFactory) -> None:
    app = create_app(Platform(Settings(home=tmp_path_factory.mktemp("home"), database_url="postgresql://nowhere")))
    of_routers = [route for router in ROUTERS for route in router.routes]
    beside = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and route not in of_routers
        for method in route.methods or ()
        if method != "HEAD"
    }
    mounts = {route.path for route in app.routes if isinstance(route, Mount)}
    assert beside == {("GET", path) for path in ("/openapi.json", "/docs", "/docs/start.js", "/dashboard")}
    assert beside <= PUBLIC
    assert mounts == {"/docs/assets", "/dashboard"}


def test_every_operation_is_described(api: ServedApi) -> None:
    for method, path, operation in api.description.operations():
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert len(operation.get("description", "").split()) > 1, where
        assert operation.get("tags"), where
        for parameter in operation.get("parameters", []):
            assert parameter.get("schema"), (where, parameter["name"])


def test_operations_have_names_of_their_own(api: ServedApi) -> None:
    names = Counter(operation["operationId"] for *_, operation in api.description.operations())
    assert [name for name, count in names.items() if count > 1] == []


def test_every_operation_declares_its_successes_and_refusals(api: ServedApi) -> None:
    for method, path, operation in api.description.operations():
        where = f"{method} {path}"
        statuses = {int(status) for status in operation["responses"]}
        successes = {status for status in statuses if status < 400}
        assert successes, where
        for status in statuses - {302, 303, 304, 307}:
            content = operation["responses"][str(status)].get("content")
            assert content, f"{where} {status} has no schema"
            if status >= 400 and (method, path) != ("GET", "/ready"):
                assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}, where
        if (method, path) in PUBLIC and not path.startswith("/api"):
            continue
        assert 503 in statuses, where
        assert (401 in statuses) == ((method, path) not in PUBLIC or path.endswith(_PROVING)), where
        if operation.get("requestBody"):
            assert {400, 413} <= statuses, where
        if re.search(r"\{(?!name|sha256)", path):
            assert 404 in statuses, where


def test_nothing_is_described_that_does_not_happen(api: ServedApi) -> None:
    """The framework describes a 422 of its own for every parameter; here what is not valid is a 400."""
    assert "HTTPValidationError" not in api.anonymous.get("/openapi.json").text


def test_bodies_are_closed_and_have_examples_where_it_matters(api: ServedApi) -> None:
    schemas = api.description.openapi["components"]["schemas"]
    for name in ("ModelCreate", "VersionCreate", "SuiteCreate", "TransitionCreate", "Decide", "Login"):
        assert schemas[name]["additionalProperties"] is False, name
    assert "examples" in str(schemas["ModelCreate"])


def test_codes_are_words() -> None:
    """Or numbers of the catalog, where it has one."""
    assert all(re.fullmatch(r"[A-Z][A-Z_]+|(FILTER|PROV)_00[1-5]", code) for code in CODES)


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_needs_no_other_machine(api: ServedApi) -> None:
    page = api.anonymous.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    references = re.findall(r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]+)""", page.text)
    assert len(references) >= 3
    wanted = [reference for reference in references if not reference.startswith("data:")]
    script = api.anonymous.get("/docs/start.js")
    addresses = re.findall(r"""["'](?:https?:)?//[^"']*|["'](/[^"']*)["']""", script.text)
    assert "" not in addresses, f"an address elsewhere: {script.text}"
    for reference in [*wanted, *addresses]:
        assert re.match(r"/[^/]", reference), f"{reference} is not on this machine"
        answer = api.anonymous.get(reference)
        assert answer.status_code == 200, reference
        assert answer.content
    assert "/openapi.json" in addresses


def test_the_browser_is_told_to_ask_nobody_else(api: ServedApi) -> None:
    policy = api.anonymous.get("/docs").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'self'"
    assert directives["script-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*", policy)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/nothing", "/docs/assets/../../app.py", "/redoc"])
def test_unknown_addresses_answer_in_the_envelope(api: ServedApi, path: str) -> None:
    answer = api.anonymous.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"


def test_methods_that_a_route_does_not_have(api: ServedApi) -> None:
    answer = api.dev.delete("/api/v1/models")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    assert answer.headers["allow"]


def test_answers_carry_headers_that_protect_browsers(api: ServedApi) -> None:
    answers: list[httpx.Response] = [
        api.dev.get("/api/v1/models"),
        api.anonymous.get("/api/v1/models"),
        api.anonymous.get("/nothing"),
        api.dev.post("/api/v1/models", content=b"{"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
