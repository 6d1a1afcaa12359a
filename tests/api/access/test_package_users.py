"""Users of the package registry, exactly as its document shows them (Authentication, UPDATE and DELETE Operations)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import Conflict, GovernanceError
from governance.operations import people
from storage.composition import new_id
from storage.postgres_server import PostgresServer
from tests.api.access.world import World
from tests.api.served import data, refusal
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import ADMIN, RegistryUnderTest
from tests.governance.operations.situations import at_once, query

PASSWORD = "password123"  # the document's own


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    """With the header of the document."""
    token, _ = world.registry.token(world.registry.admin)
    headers = {"X-Authorization": token}
    with httpx.Client(base_url=world.api.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def register(admin: httpx.Client, *permissions: str, name: str | None = None) -> dict[str, Any]:
    body = {"username": name or f"user-{new_id()}", "password": PASSWORD, "permissions": list(permissions)}
    answer = admin.post("/user/register", json=body)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def authenticate(world: World, name: str, password: str = PASSWORD) -> httpx.Response:
    return world.api.anonymous.post("/authenticate", json={"username": name, "password": password})


def client_of(world: World, name: str) -> httpx.Client:
    token = authenticate(world, name).json()["token"]
    return httpx.Client(base_url=world.api.url, headers={"X-Authorization": token}, timeout=60, trust_env=False)


def test_authenticating_answers_a_token_and_its_calls(world: World, admin: httpx.Client) -> None:
    name = register(admin, "upload", "download", "search")["username"]
    answer = authenticate(world, name)
    assert answer.status_code == 200
    body = answer.json()
    assert {key: type(value) for key, value in body.items()} == {"token": str, "calls_remaining": int}
    assert body["calls_remaining"] == 1000
    lives = "select t.expires_at - t.created_at = interval '30 days' from tokens t join users u on u.id = t.user_id "
    assert query(world.registry, lives + "where u.name = %s", name) == [(True,)]
    with httpx.Client(base_url=world.api.url, headers={"X-Authorization": body["token"]}, trust_env=False) as client:
        assert client.get("/api/v1/auth/me").headers["x-calls-remaining"] == "999"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "admin"},
        {"username": "admin", "password": 1},
        {"username": "admin", "password": "x", "role": "admin"},
        {"user": {"name": "admin", "isAdmin": True}, "secret": {"password": "x"}},
    ],
)
def test_other_shapes_are_refused(world: World, body: dict[str, Any]) -> None:
    refusal(world.api.anonymous.post("/authenticate", json=body), 400, "INVALID_INPUT")


def test_wrong_and_unknown_are_told_alike(world: World, admin: httpx.Client) -> None:
    name = register(admin)["username"]
    told = set()
    for answer in (authenticate(world, name, "password124"), authenticate(world, f"user-{new_id()}")):
        told.add(refusal(answer, 401, "UNAUTHENTICATED")["message"])
    assert len(told) == 1


def test_registering_answers_what_was_registered(world: World, admin: httpx.Client) -> None:
    name = f"user-{new_id()}"
    shown = register(admin, "upload", "download", "search", name=name)
    assert set(shown) == {"user_id", "username", "permissions"}
    assert (shown["username"], shown["permissions"]) == (name, ["download", "search", "upload"])
    body = {"username": name, "password": PASSWORD, "permissions": []}
    refusal(admin.post("/user/register", json=body), 409, "DUPLICATE")
    for wrong in ({**body, "permissions": ["delete"]}, {**body, "password": "short"}, {**body, "roles": ["viewer"]}):
        refusal(admin.post("/user/register", json={**wrong, "username": f"u-{new_id()}"}), 400, "INVALID_INPUT")


def test_only_admins_register_and_change(world: World, admin: httpx.Client) -> None:
    shown = register(admin, "upload", "download", "search")
    before = world.api.stored()["users"]
    with client_of(world, shown["username"]) as client:
        body = {"username": f"user-{new_id()}", "password": PASSWORD, "permissions": ["admin"]}
        refusal(client.post("/user/register", json=body), 403, "FORBIDDEN")
        path = f"/user/{shown['user_id']}/permissions"
        refusal(client.put(path, json={"permissions": ["admin"]}), 403, "FORBIDDEN")
    assert world.api.stored()["users"] == before


def test_admin_is_all_permissions_and_can_be_taken_again(world: World, admin: httpx.Client) -> None:
    shown = register(admin, "search")
    path = f"/user/{shown['user_id']}/permissions"
    changed = admin.put(path, json={"permissions": ["admin"]})
    assert (changed.status_code, changed.json()) == (
        200,
        {**shown, "permissions": ["search", "download", "upload", "admin"]},
    )
    with client_of(world, shown["username"]) as client:
        assert data(client.get("/api/v1/users"))
        refusal(client.put(path, json={"permissions": ["search"]}), 400, "INVALID_INPUT")  # another one has to
        assert admin.put(path, json={"permissions": ["upload"]}).json()["permissions"] == ["upload"]
        refusal(client.get("/api/v1/users"), 403, "FORBIDDEN")
    assert admin.put(path, json={"permissions": []}).json()["permissions"] == []
    refusal(admin.put(f"/user/{new_id()}/permissions", json={"permissions": []}), 404, "USER_NOT_FOUND")


def test_changing_package_permissions_leaves_roles_of_the_catalog(world: World, admin: httpx.Client) -> None:
    person = world.registry.person(f"person-{new_id()}", (Role.AUDITOR,))
    admin.put(f"/user/{person.id}/permissions", json={"permissions": ["search"]})
    with world.registry.unit() as uow:
        assert uow.people.get(person.id).roles == {Role.AUDITOR}


def test_users_delete_themselves_and_admins_anyone(world: World, admin: httpx.Client) -> None:
    first, second = register(admin, "search"), register(admin, "search")
    with client_of(world, first["username"]) as client:
        refusal(client.delete(f"/user/{second['user_id']}"), 403, "FORBIDDEN")
        refusal(client.delete(f"/user/{new_id()}"), 403, "FORBIDDEN")  # told like the one that there is
        answer = client.delete(f"/user/{first['user_id']}")
        assert (answer.status_code, answer.json()) == (200, {"message": "User deleted."})
        refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    refusal(authenticate(world, first["username"]), 401, "UNAUTHENTICATED")
    assert admin.delete(f"/user/{second['user_id']}").status_code == 200
    for gone in (first, second):
        refusal(admin.delete(f"/user/{gone['user_id']}"), 404, "USER_NOT_FOUND")
        path = f"/user/{gone['user_id']}/permissions"
        refusal(admin.put(path, json={"permissions": ["search"]}), 404, "USER_NOT_FOUND")


def test_the_name_of_who_was_deleted_is_never_given_again(world: World, admin: httpx.Client) -> None:
    shown = register(admin, "search")
    assert admin.delete(f"/user/{shown['user_id']}").status_code == 200
    body = {"username": shown["username"], "password": PASSWORD, "permissions": []}
    refusal(admin.post("/user/register", json=body), 409, "DUPLICATE")
    refusal(admin.post("/api/v1/users", json={"name": shown["username"]}), 409, "DUPLICATE")


# --- there is always an administrator ---------------------------------------------------------------------


@pytest.fixture
def alone(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryUnderTest]:
    """A registry with one administrator: root."""
    with (
        fresh_database(postgres_server, template=template_database) as url,
        opened_registry(url, tmp_path_factory.mktemp("alone")) as r,
    ):
        yield r


def administrators(r: RegistryUnderTest) -> list[str]:
    """Those who can do something about it: service accounts end with the person behind them."""
    rows = query(r, "select name from users where 'catalog_admin' = any(roles) and active and kind = 'person'")
    return sorted(name for (name,) in rows)


def test_the_last_administrator_cannot_be_deleted(alone: RegistryUnderTest) -> None:
    r = alone
    with pytest.raises(Conflict, match="only administrator"):
        people.delete_user(r.unit(), r.call(r.admin), r.admin.id)
    second = r.person("second", ADMIN)
    people.delete_user(r.unit(), r.call(second), r.admin.id)
    with pytest.raises(Conflict, match="only administrator"):
        people.delete_user(r.unit(), r.call(second), second.id)
    assert administrators(r) == ["second"]


def test_a_service_account_is_no_other_administrator(alone: RegistryUnderTest) -> None:
    r = alone
    more: dict[str, Any] = {"kind": "service", "owner": "root"}
    service = r.person("robot", ADMIN, **more)
    for who in (r.admin, service):
        with pytest.raises(Conflict, match="only administrator"):
            people.delete_user(r.unit(), r.call(who), r.admin.id)
    for wanted in (people.Access(active=False), people.Access(roles=[]), people.Access(permissions=[])):
        with pytest.raises(Conflict, match="only administrator"):
            people.change_access(r.unit(), r.call(service), r.admin.id, wanted)
    assert administrators(r) == ["root"]


@pytest.mark.parametrize("way", ["delete", "deactivate", "take the role", "mixed"])
def test_two_administrators_cannot_remove_each_other_at_once(alone: RegistryUnderTest, way: str) -> None:
    r = alone

    def remove(who: Principal, whom: Principal, by_deleting: bool) -> None:
        if by_deleting:
            people.delete_user(r.unit(), r.call(who), whom.id)
        else:
            wanted = people.Access(roles=[]) if way == "take the role" else people.Access(active=False)
            people.change_access(r.unit(), r.call(who), whom.id, wanted)

    one, other = r.admin, r.person("admin-0", ADMIN)
    for number in range(1, 6):
        found = at_once(
            [
                partial(remove, one, other, way in ("delete", "mixed")),
                partial(remove, other, one, way == "delete"),
            ]
        )
        left = administrators(r)
        assert len(left) == 1, found
        assert [type(result) for result in found if result is not None] == [Conflict]
        assert all(isinstance(result, GovernanceError) for result in found if result is not None)
        one = r.admin = next(person for person in (one, other) if person.name == left[0])
        other = r.person(f"admin-{number}", ADMIN)
