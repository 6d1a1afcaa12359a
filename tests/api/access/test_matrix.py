"""The authorization matrix: every route, every kind of caller, every relation to an asset, every state of a token.

What should happen comes from `expected`, which a person can read beside the documents; what happens comes from a
running server. The full product is `prove`; the normal run takes every pair of route and caller once, and every pair
of route and state of a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.deps import Permits
from api.routes import PUBLIC, ROUTERS
from api.sessions import SESSION_COOKIE
from governance.operations import people, tokens
from tests.api.access.expected import PAGES, ROWS, Outcome, Person, Row, outcome
from tests.api.access.world import RELATIONS, SUBJECTS, Ask, Objects, World, listed_id, person_of
from tests.fixtures.registry import ADMIN
from tests.governance.operations.situations import query

TARGET = frozenset({"owners"})


@dataclass(frozen=True, slots=True)
class Cell:
    row: Row
    subject: str
    relation: str

    @property
    def name(self) -> str:
        return f"{self.row.name} by {self.subject}, {self.relation}"


FULL = [Cell(row, subject, relation) for subject in SUBJECTS for relation in RELATIONS for row in ROWS]
# Every route with every caller once; relations take turns, so that each pair of two of them is there as well.
SAMPLE = [
    Cell(row, subject, [*RELATIONS][(number + 3 * turn) % len(RELATIONS)])
    for turn, subject in enumerate(SUBJECTS)
    for number, row in enumerate(ROWS)
]


def send(client: httpx.Client, row: Row, ask: Ask) -> httpx.Response:
    given: dict[str, Any] = {"params": ask.params or None, "json": ask.json, "content": ask.content}
    if row.route not in PAGES:
        return client.request(row.method, ask.path, headers=ask.headers, **given)
    # Pages stand in no description, which this client would check the answer against.
    with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60, trust_env=False) as plain:
        return plain.request(row.method, ask.path, headers=ask.headers, **given)


def code(answer: httpx.Response) -> str | None:
    if answer.headers.get("content-type") != "application/json" or answer.status_code < 400:
        return None
    return str(answer.json()["error"]["code"])


def found(row: Row, answer: httpx.Response, expected: Outcome, objects: Objects, world: World) -> str | None:
    """What is wrong with an answer, in words; None when nothing is."""
    if answer.status_code != expected.status:
        kind = "LEAK" if answer.status_code < expected.status and expected.status >= 400 else "wrong"
        return f"{kind}: {answer.status_code} instead of {expected.status}: {answer.text[:300]}"
    if expected.status == 404 and not (code(answer) or "PAGE_NOT_FOUND").endswith("_NOT_FOUND"):
        return f"wrong code: {answer.text[:300]}"
    if expected.status == 403 and code(answer) not in (None, "FORBIDDEN", "PROV_005"):
        return f"wrong code: {answer.text[:300]}"
    if expected.listed is not None:
        body = answer.json()
        wanted = listed_id(row, objects, world.group)
        named = ("id", "modelId", "registered_model_id", "artifact")
        there = any(wanted in [item.get(name) for name in named] for item in body["data"])
        if there != expected.listed:
            return f"{'LEAK' if there else 'wrong'}: {'listed' if there else 'not listed'}"
        wide = ("/api/v1/datasets", "/api/v1/groups", "/api/models/enterprise/registry")
        narrow = row.route not in wide  # those name no single asset in the query
        if narrow and not expected.listed and body["pagination"]["totalCount"]:
            return f"LEAK: counted {body['pagination']['totalCount']}"
    return None


def judge(world: World, cells: Sequence[Cell]) -> list[str]:
    """What went wrong. Refusals first, all at once, since nothing may be stored by any of them."""
    wrong: list[str] = []
    expected = [
        outcome(cell.row, person_of(cell.subject, cell.relation), world.objects_for(cell.relation).asset, TARGET)
        for cell in cells
    ]
    for refused in (True, False):
        asked = []
        for cell, wanted in zip(cells, expected, strict=True):
            if (wanted.status in (403, 404)) is refused:
                objects = world.objects_for(cell.relation)
                user = world.principal(cell.subject, cell.relation)
                client = world.client(cell.subject, cell.relation)
                ask = None if not refused else world.ask(cell.row, objects, user, goes_through=False)
                asked.append((cell, wanted, objects, user, client, ask))
        before = world.api.stored()
        for cell, wanted, objects, user, client, refusable in asked:
            ask = refusable or world.ask(cell.row, objects, user, goes_through=True)
            answer = send(client, cell.row, ask)
            if problem := found(cell.row, answer, wanted, objects, world):
                wrong.append(f"{cell.name}: {problem}")
        if refused and not wrong:
            after = world.api.stored()
            changed = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
            if changed:
                wrong.append(f"refused calls left something behind: {changed}")
    return wrong


# --- the table is about every route -----------------------------------------------------------------------


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def permissions_of(dependant: Dependant) -> list[tuple[str, ...]]:
    own = [dependant.call.permissions] if isinstance(dependant.call, Permits) else []
    return own + [found for inner in dependant.dependencies for found in permissions_of(inner)]


def test_every_route_stands_in_the_table_and_nothing_else_does() -> None:
    served = {(method, route.path) for route in routes() for method in route.methods or ()} - PUBLIC
    assert {(row.method, row.route) for row in ROWS} == served
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_every_route_that_is_not_public_declares_what_it_takes() -> None:
    for route in routes():
        public = {(method, route.path) in PUBLIC for method in route.methods or ()}
        assert len(public) == 1, route.path
        declared = permissions_of(route.dependant)
        assert len(declared) == (0 if public.pop() else 1), f"{route.path} declares {declared}"


def test_what_routes_declare_is_what_the_table_says() -> None:
    declared = {
        (method, route.path): permissions_of(route.dependant) for route in routes() for method in route.methods or ()
    }
    for row in ROWS:
        (permissions,) = declared[(row.method, row.route)]
        if row.route.endswith("/explain"):
            assert permissions == ("self:read",)  # asking about others takes more, which the operation sees to
        elif row.variant and row.route.endswith("/transitions"):
            assert set(row.door) <= set(permissions), row.name
        else:
            assert set(row.door) == set(permissions), row.name


# --- callers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_sample_of_the_matrix(world: World, subject: str) -> None:
    assert judge(world, [cell for cell in SAMPLE if cell.subject == subject]) == []


@pytest.mark.prove
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: f"{subject} ({len(ROWS)} cells)")
def test_the_whole_matrix(world: World, subject: str, relation: str) -> None:
    cells = [cell for cell in FULL if (cell.subject, cell.relation) == (subject, relation)]
    assert len(cells) == len(ROWS)
    assert judge(world, cells) == []


def test_the_size_of_the_matrix(record_property: Any) -> None:
    cells = len(FULL) + len(ROWS) * len(STATES)
    record_property("cells", cells)
    print(f"authorization matrix: {cells} cells; {len(SAMPLE) + len(ROWS) * len(STATES)} of them in the normal run")
    assert len(ROWS) >= 60
    assert {(cell.row.name, cell.subject) for cell in SAMPLE} == {(row.name, s) for row in ROWS for s in SUBJECTS}
    assert {(cell.row.name, cell.relation) for cell in SAMPLE} == {(row.name, r) for row in ROWS for r in RELATIONS}
    assert {(cell.subject, cell.relation) for cell in SAMPLE} == {(s, r) for s in SUBJECTS for r in RELATIONS}


# --- tokens -----------------------------------------------------------------------------------------------

STATES = (
    "none",
    "unknown",
    "expired",
    "revoked",
    "exhausted",
    "session in a header",
    "bearer in the cookie",
    "session from another site",
    "scoped too narrowly",
    "inactive",
    "deleted",
    "inactive owner of the service account",
    "deleted owner of the service account",
)


def headers_in(world: World, state: str) -> dict[str, str]:
    """What an administrator's call carries in this state of their token."""
    r = world.registry
    person = r.person(f"admin-{state.replace(' ', '-')}", ADMIN, "owners")
    if state.endswith("of the service account"):
        more: dict[str, Any] = {"kind": "service", "owner": person.name}
        holder = r.person(f"service-of-{person.name}", ADMIN, "owners", **more)
    else:
        holder = person
    limits: dict[str, Any] = {}
    if state.startswith("session"):
        limits["kind"] = "session"
    if state == "exhausted":
        limits["calls"] = 1
    if state == "scoped too narrowly":
        limits["scopes"] = ["favorite:read"]
    token, token_id = r.token(holder, **limits)
    if state == "none":
        return {}
    if state == "unknown":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    if state == "expired":
        query(r, "update tokens set expires_at = now() where id = %s", token_id)
    if state == "revoked":
        tokens.revoke_token(r.unit(), r.call(person), token_id)
    if state == "exhausted":
        query(r, "update tokens set calls_left = 0 where id = %s", token_id)
    if state.startswith("inactive"):
        r.change(person.id, active=False)
    if state.startswith("deleted"):
        people.delete_user(r.unit(), r.call(r.admin), person.id)
    if state == "bearer in the cookie":
        return {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}
    if state == "session from another site":
        return {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere"}
    return {"Authorization": f"Bearer {token}"}


def expected_in(state: str, row: Row, objects: Objects) -> int:
    if state == "exhausted":
        return 429
    if state == "scoped too narrowly":
        person = Person(("catalog_admin",), frozenset({"owners"}), scopes=("favorite:read",))
        return outcome(row, person, objects.asset, TARGET).status
    if state == "session from another site":
        person = Person(("catalog_admin",), frozenset({"owners"}))
        return 403 if row.method != "GET" else outcome(row, person, objects.asset, TARGET).status
    return 303 if row.route in PAGES else 401


@pytest.mark.parametrize("state", STATES)
def test_every_route_in_every_state_of_a_token(world: World, state: str) -> None:
    headers, objects = headers_in(world, state), world.objects[False]
    user = world.stranger.id
    asked = [(row, world.ask(row, objects, user, goes_through=False)) for row in ROWS]
    before = world.api.stored()
    wrong = []
    exports = 0
    with world.api.with_token("") as client:
        del client.headers["Authorization"]
        for row, ask in asked:
            client.headers.update(headers)
            answer = send(client, row, ask)
            expected = expected_in(state, row, objects)
            exports += row.route.endswith("/audit/export") and answer.status_code == 200
            right_code = {401: "UNAUTHENTICATED", 429: "CALLS_EXHAUSTED", 403: "FORBIDDEN"}.get(expected)
            given_code = "FORBIDDEN" if code(answer) == "PROV_005" else code(answer)
            if answer.status_code != expected or given_code not in (None, right_code or given_code):
                wrong.append(f"{row.name}: {answer.status_code} instead of {expected}: {answer.text[:200]}")
            if answer.status_code == 303 and not answer.headers["location"].startswith("/sign-in"):
                wrong.append(f"{row.name}: sent to {answer.headers['location']}")
            if state == "exhausted" and answer.headers.get("x-calls-remaining") != "0":
                wrong.append(f"{row.name}: {answer.headers.get('x-calls-remaining')} calls remaining")
    assert wrong == []
    assert world.api.stored() == {**before, "audit": before["audit"] + exports}  # reading, but it is on record


@pytest.mark.parametrize("row", [row for row in ROWS if row.treatment in ("read", "write", "mine", "decider")],
                         ids=lambda row: row.name)  # fmt: skip
def test_what_may_not_be_seen_is_told_like_what_does_not_exist(world: World, row: Row) -> None:
    """Word for word: only the id that was asked for differs."""
    person = person_of("catalog_admin", "restricted")
    objects = world.objects[False]
    if outcome(row, person, objects.asset, TARGET).status != 404:
        assert row.permissions == ("model:share",)
        return
    ask = world.ask(row, objects, world.principal("catalog_admin", "restricted"), goes_through=False)
    # An id of nothing, in place of every id that this call names.
    nothing = "00000000-0000-7000-8000-000000000000"
    names = [objects.model, objects.dataset, objects.suite, objects.artifact, objects.evaluation, objects.parked,
             objects.settled]  # fmt: skip

    def without(text: str) -> str:
        for name in names:
            text = text.replace(name, nothing)
        return text

    client = world.client("catalog_admin", "restricted")
    hidden = send(client, row, ask)
    body = {k: without(v) if isinstance(v, str) else v for k, v in ask.json.items()} if ask.json else ask.json
    params = {key: without(value) for key, value in ask.params.items()}
    absent = send(client, row, Ask(without(ask.path), params, body, ask.content, ask.headers))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    if code(hidden) is not None:
        told, otherwise = hidden.json()["error"], absent.json()["error"]
        for part in ("code", "message", "details"):
            assert without(str(told[part])) == str(otherwise[part])
