"""Tokens: good for so many calls and no more, never for more than their maker, and gone everywhere at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from api.app import create_app
from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import people, tokens
from storage.composition import Platform, new_id
from tests.api.access.world import World
from tests.api.served import data, listening, refusal
from tests.fixtures.registry import ADMIN, APPROVER, DEVELOPER
from tests.governance.operations.situations import eventually, query

ME = "/api/v1/auth/me"


def someone(world: World, roles: tuple[Role, ...] = DEVELOPER, *groups: str) -> Principal:
    return world.registry.person(f"person-{new_id()}", roles, *groups)


def left(world: World, token_id: str) -> int:
    return int(query(world.registry, "select calls_left from tokens where id = %s", token_id)[0][0])


@contextmanager
def client_of(world: World, token: str, header: str = "Authorization") -> Iterator[httpx.Client]:
    value = f"Bearer {token}" if header == "Authorization" else token
    with httpx.Client(base_url=world.api.url, headers={header: value}, timeout=60, trust_env=False) as client:
        yield client


# --- so many calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("quota", [100, pytest.param(1000, marks=pytest.mark.prove)])
def test_a_quota_is_spent_by_many_clients_and_never_exceeded(world: World, quota: int) -> None:
    clients = 64
    token, token_id = world.registry.token(someone(world), calls=quota)
    together = threading.Barrier(clients, timeout=60)

    def spend(_: int) -> list[str]:
        """What was answered as remaining by the calls that went through."""
        remaining = []
        with client_of(world, token) as client:
            together.wait()
            while (answer := client.get(ME)).status_code == 200:
                remaining.append(answer.headers["x-calls-remaining"])
            refusal(answer, 429, "CALLS_EXHAUSTED")
            assert answer.headers["x-calls-remaining"] == "0"
        return remaining

    with ThreadPoolExecutor(clients) as threads:
        answered = [int(remaining) for each in threads.map(spend, range(clients)) for remaining in each]
    assert sorted(answered) == list(range(quota)), "each call has a number of its own, down to the last one"
    assert left(world, token_id) == 0


def test_calls_that_failed_on_our_side_are_given_back(world: World) -> None:
    r, objects = world.registry, world.objects[False]
    path = f"/api/v1/models/{objects.model}/versions/{world.new_draft(objects)}/transitions"
    token, token_id = r.token(r.dev, calls=2)
    with client_of(world, token) as client:
        r.launcher.available = False
        try:
            for _ in range(5):
                answer = client.post(path, json={"transition": "submit"}, headers={"Idempotency-Key": token_id})
                refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
                assert answer.headers["x-calls-remaining"] == "2"
        finally:
            r.launcher.available = True
        refused = client.get("/api/v1/models/none")
        refusal(refused, 404, "MODEL_NOT_FOUND")
        assert refused.headers["x-calls-remaining"] == "1", "what the caller did wrong is counted"
        assert client.get(ME).headers["x-calls-remaining"] == "0"
        refusal(client.get(ME), 429, "CALLS_EXHAUSTED")
    assert left(world, token_id) == 0


def test_a_call_that_failed_unexpectedly_is_given_back_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    r, objects = world.registry, world.objects[False]

    def broken(*_: object) -> str:
        raise RuntimeError("a fault of ours")

    path = f"/api/v1/models/{objects.model}/versions/{world.new_draft(objects)}/transitions"
    token, token_id = r.token(r.dev, calls=1)
    with client_of(world, token) as client:
        with monkeypatch.context() as patched:
            patched.setattr(r.launcher, "launch", broken)
            answer = client.post(path, json={"transition": "submit"})
        assert refusal_of_ours(answer) == "INTERNAL_ERROR"
        assert answer.headers["x-calls-remaining"] == "1"
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "a fault of ours" not in answer.text
        assert client.get(ME).status_code == 200
    assert left(world, token_id) == 0


def refusal_of_ours(answer: httpx.Response) -> str:
    assert answer.status_code == 500, answer.text
    return str(answer.json()["error"]["code"])


def test_giving_back_among_many_clients_neither_loses_nor_makes_calls(world: World) -> None:
    r, objects, quota = world.registry, world.objects[False], 60
    path = f"/api/v1/models/{objects.model}/versions/{world.new_draft(objects)}/transitions"
    opened = world.api.dev.post(path, json={"transition": "submit"})
    request = data(opened, 202)
    assert "x-calls-remaining" not in opened.headers, "this token is not counted"
    token, token_id = r.token(r.dev, calls=quota)

    def mixed(_: int) -> list[int]:
        with client_of(world, token) as client:
            paths = [("POST", f"/api/v1/transition-requests/{request['id']}/retry"), ("GET", ME)] * 5
            return [client.request(method, path).status_code for method, path in paths]

    r.launcher.available = False
    try:
        with ThreadPoolExecutor(16) as threads:
            statuses = [status for each in threads.map(mixed, range(16)) for status in each]
        world.api.wait_until_idle()
    finally:
        r.launcher.available = True
    assert set(statuses) <= {200, 503, 429}
    assert {200, 503} <= set(statuses)
    assert statuses.count(200) <= quota
    assert left(world, token_id) == quota - statuses.count(200)


@pytest.mark.parametrize("header", ["Authorization", "X-Authorization", "X-API-Key"])
def test_every_way_to_send_a_token_spends_and_tells(world: World, header: str) -> None:
    token, _ = world.registry.token(someone(world), calls=2)
    with client_of(world, token, header) as client:
        assert [client.get(ME).headers["x-calls-remaining"] for _ in range(2)] == ["1", "0"]
        refusal(client.get(ME), 429, "CALLS_EXHAUSTED")


# --- never for more than the maker ------------------------------------------------------------------------


def test_scopes_are_narrower_than_the_owner_and_never_wider(world: World) -> None:
    r = world.registry
    person = someone(world, DEVELOPER, "owners")
    model = world.objects[False].model
    with client_of(world, r.token(person)[0]) as whole:
        made = data(whole.post("/api/v1/auth/tokens", json={"label": "ci", "scopes": ["model:read"]}), 201)
        beyond = data(whole.post("/api/v1/auth/tokens", json={"label": "all", "scopes": ["*"]}), 201)
    with client_of(world, made["token"]) as narrow:
        assert data(narrow.get(f"/api/v1/models/{model}"))["id"] == model
        assert data(narrow.get(ME))["id"] == person.id
        for answer in (
            narrow.post("/api/v1/models", json={"name": "x", "group": "owners", "riskTier": "Low"}),
            narrow.put(f"/api/v1/models/{model}/access", json={}),
            narrow.get("/api/v1/datasets"),
            narrow.post("/api/v1/auth/tokens", json={"label": "more"}),
            narrow.delete(f"/api/v1/auth/tokens/{made['tokenId']}"),
        ):
            refusal(answer, 403, "FORBIDDEN")
        explained = data(narrow.get("/api/v1/access/explain", params={"permission": "model:update"}))
        assert (explained["allowed"], explained["policies"]) == (False, ["outside-the-token"])
    with client_of(world, beyond["token"]) as everything:  # everything that its owner may
        refusal(everything.get("/api/v1/users"), 403, "FORBIDDEN")
        refusal(everything.put("/api/v1/policies/approvals", json={"parameters": {}}), 403, "FORBIDDEN")


def test_an_administrators_narrow_token_leaves_others_alone(world: World) -> None:
    registry = world.registry
    _, theirs = registry.token(someone(world))
    narrow, _ = registry.token(registry.admin, scopes=["self:manage"])
    with world.api.with_token(narrow) as client:
        refusal(client.delete(f"/api/v1/auth/tokens/{theirs}"), 403, "FORBIDDEN")
    with world.api.with_token(registry.token(registry.admin)[0]) as client:
        assert data(client.delete(f"/api/v1/auth/tokens/{theirs}")) is None


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (None, False),
        (["*"], False),
        (["*:read"], False),
        (["model:*"], False),
        (["model:read", "model:update"], False),
        (["model:read", "dataset:read"], False),
        (["model:read"], True),
        (["self:manage", "model:read"], True),
    ],
)
def test_a_token_cannot_make_a_wider_one(world: World, scopes: list[str] | None, allowed: bool) -> None:
    token, _ = world.registry.token(someone(world), scopes=["model:read", "self:manage"])
    before = world.api.stored()
    with client_of(world, token) as client:
        answer = client.post("/api/v1/auth/tokens", json={"label": "another", "scopes": scopes})
        if allowed:
            data(answer, 201)
        else:
            refusal(answer, 403, "FORBIDDEN")
            assert world.api.stored() == before


def test_what_is_not_a_permission_is_no_scope(world: World) -> None:
    token, _ = world.registry.token(someone(world))
    with client_of(world, token) as client:
        for scopes in (["model:fly"], ["*:*"], [""], []):
            refusal(client.post("/api/v1/auth/tokens", json={"label": "x", "scopes": scopes}), 400, "INVALID_INPUT")


# --- service accounts -------------------------------------------------------------------------------------


def service_of(world: World, owner: Principal, roles: tuple[Role, ...] = DEVELOPER, *groups: str) -> str:
    """The id of a new service account, made as administrators make it."""
    world.registry.groups(*groups)
    body = {"name": f"ci-{new_id()}", "kind": "service", "owner": owner.name, "roles": roles, "groups": groups}
    made = data(world.api.admin.post("/api/v1/users", json=body), 201)
    assert (made["kind"], made["ownerId"]) == ("service", owner.id)
    return str(made["id"])


def test_owners_make_and_revoke_the_keys_of_their_service_accounts(world: World) -> None:
    r = world.registry
    owner, other = someone(world), someone(world)
    service = service_of(world, owner, DEVELOPER, "owners")
    body = {"label": "key", "userId": service, "calls": 10, "scopes": ["model:*"]}
    with client_of(world, r.token(owner)[0]) as mine, client_of(world, r.token(other)[0]) as theirs:
        made = data(mine.post("/api/v1/auth/tokens", json=body), 201)
        assert made["callsRemaining"] == 10
        refusal(theirs.post("/api/v1/auth/tokens", json=body), 404, "SERVICE_ACCOUNT_NOT_FOUND")
        refusal(theirs.post("/api/v1/auth/tokens", json={**body, "userId": owner.id}), 404, "SERVICE_ACCOUNT_NOT_FOUND")
        refusal(
            world.api.admin.post("/api/v1/auth/tokens", json={**body, "userId": owner.id}),
            404,
            "SERVICE_ACCOUNT_NOT_FOUND",
        )
        assert made["tokenId"] in {token["id"] for token in data(mine.get("/api/v1/auth/tokens"))}
        assert made["tokenId"] not in {token["id"] for token in data(theirs.get("/api/v1/auth/tokens"))}
        with client_of(world, made["token"], "X-API-Key") as key:
            assert data(key.get(ME))["id"] == service
            refusal(key.post("/api/v1/auth/tokens", json={"label": "x"}), 403, "FORBIDDEN")
            refusal(theirs.delete(f"/api/v1/auth/tokens/{made['tokenId']}"), 404, "TOKEN_NOT_FOUND")
            assert data(mine.delete(f"/api/v1/auth/tokens/{made['tokenId']}")) is None
            refusal(key.get(ME), 401, "UNAUTHENTICATED")


def test_keys_end_with_the_owner_and_come_back_only_with_one_who_is_not_deleted(world: World) -> None:
    r = world.registry
    owner = someone(world)
    service = service_of(world, owner)
    token, _ = r.token(service, kind="api_key")
    with client_of(world, token, "X-API-Key") as key:
        assert data(key.get(ME))["id"] == service
        r.change(owner.id, active=False)
        refusal(key.get(ME), 401, "UNAUTHENTICATED")
        r.change(owner.id, active=True)
        assert data(key.get(ME))["id"] == service
        people.delete_user(r.unit(), r.call(r.admin), owner.id)
        refusal(key.get(ME), 401, "UNAUTHENTICATED")
        for gone in (owner.id, service):
            answer = world.api.admin.put(f"/api/v1/users/{gone}/access", json={"active": True})
            refusal(answer, 404, "USER_NOT_FOUND")
        refusal(key.get(ME), 401, "UNAUTHENTICATED")
    names = {user["id"] for user in data(world.api.admin.get("/api/v1/users", params={"pageSize": 200}))}
    assert not {owner.id, service} & names


def test_a_service_account_decides_nothing_whatever_its_role(world: World) -> None:
    objects = world.objects[False]
    service = service_of(world, someone(world), (*APPROVER, *ADMIN), "owners")
    token, _ = world.registry.token(service)
    before = world.api.stored()
    with client_of(world, token) as key:
        answer = key.post(
            f"/api/v1/transition-requests/{objects.parked}/approvals",
            json={"decision": "approve", "evidenceDigest": "sha256:" + "0" * 64},
        )
        assert refusal(answer, 403, "FORBIDDEN")["details"]["policies"] == ["people-decide"]
        for transition in ("rollback", "deprecate", "request_changes"):
            answer = key.post(
                f"/api/v1/models/{objects.model}/versions/2.0.0/transitions",
                json={"transition": transition, "reason": "It has to be."},
            )
            assert refusal(answer, 403, "FORBIDDEN")["details"]["policies"] == ["people-decide"]
    assert world.api.stored() == before


# --- at once, everywhere ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["app", pytest.param("process", marks=pytest.mark.prove)])
def elsewhere(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of another app on the same database: in this process, or in one of its own."""
    settings = world.registry.settings
    if request.param == "app":
        platform = Platform(settings, pool_size=4)
        with listening(create_app(platform, sequence_audit=False)) as (_, address):
            yield f"http://{address[0]}:{address[1]}"
        platform.close()
        return
    environment = {
        **os.environ,
        "GATEHOUSE_HOME": str(settings.home),
        "GATEHOUSE_DATABASE_URL": settings.database_url,
        "GATEHOUSE_API_URL": settings.api_url,
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:app", "--port", str(port), "--log-level", "error"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"

            def answers() -> bool:
                assert process.poll() is None, "the other process ended"
                try:
                    return httpx.get(f"{url}/health", trust_env=False).status_code == 200
                except httpx.TransportError:
                    return False

            eventually(answers, 60)
            yield url
        finally:
            process.terminate()


def changes(world: World, person: Principal, service: str, token_id: str) -> dict[str, Callable[[], object]]:
    r = world.registry
    return {
        "token revoked": lambda: tokens.revoke_token(r.unit(), r.call(person), token_id),
        "role taken": lambda: r.change(person.id, roles=[]),
        "group left": lambda: r.change(person.id, in_groups=[]),
        "closed to a group": lambda: r.change(person.id, in_groups=["owners", "closed"]),
        "deactivated": lambda: r.change(person.id, active=False),
        "deleted": lambda: people.delete_user(r.unit(), r.call(r.admin), person.id),
        "owner deactivated": lambda: r.change(person.id, active=False),
        "owner deleted": lambda: people.delete_user(r.unit(), r.call(r.admin), person.id),
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("token revoked", 401),
        ("role taken", 403),
        ("group left", 404),
        ("closed to a group", 404),
        ("deactivated", 401),
        ("deleted", 401),
        ("owner deactivated", 401),
        ("owner deleted", 401),
    ],
)
def test_what_is_taken_away_is_gone_in_every_process_with_the_next_call(
    world: World, elsewhere: str, change: str, status: int
) -> None:
    r = world.registry
    person = someone(world, DEVELOPER, "owners")
    service = service_of(world, person, DEVELOPER, "owners")
    token, token_id = r.token(service if change.startswith("owner") else person)
    path = f"/api/v1/models/{world.objects[False].model}"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=elsewhere, headers=headers, timeout=60, trust_env=False) as there:
        for _ in range(3):  # so that whatever that process remembers, it has remembered
            assert there.get(path).status_code == 200
        changes(world, person, service, token_id)[change]()
        assert there.get(path).status_code == status
