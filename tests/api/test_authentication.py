"""Whoever is not known gets nothing; whoever is known gets what their role allows; secrets stay secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from api.routes import PUBLIC
from governance.access.roles import Role
from governance.operations import tokens
from storage.composition import new_id
from storage.credentials import TOKEN_PREFIX, hash_password
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.registry import ADMIN, DEVELOPER
from tests.governance.operations.situations import query

PASSWORD = "correct horse battery staple"


def user(api: ServedApi, roles: Sequence[Role] = DEVELOPER, password: str = PASSWORD) -> str:
    """The name of a new user with a password."""
    return api.registry.person(f"user-{new_id()}", roles, "risk", password_hash=hash_password(password)).name


def login(api: ServedApi, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return api.anonymous.post("/api/v1/auth/login", json={"username": name, "password": password, **more})


def guarded(api: ServedApi) -> list[tuple[str, str, dict[str, Any]]]:
    return [found for found in api.description.operations() if found[:2] not in PUBLIC]


def call(client: httpx.Client, method: str, path: str, operation: dict[str, Any]) -> httpx.Response:
    """A call that is valid in every other respect that the description knows of."""
    address = re.sub(r"\{\w+\}", new_id(), path)
    query_parameters = {
        parameter["name"]: "weights" if parameter["name"] == "type" else "csv"
        for parameter in operation.get("parameters", [])
        if parameter.get("required") and parameter["in"] == "query"
    }
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    return client.request(method, address, params=query_parameters, json={} if takes_json else None)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        "Basic ZGFuYTpkYW5h",
        f"Bearer {TOKEN_PREFIX}",
        f"Bearer {TOKEN_PREFIX}{'A' * 43}",
        "Bearer \xff\xfe",
        "expired",
        "revoked",
        "altered",
        "truncated",
        "inactive",
    ],
)
def test_every_route_asks_who_is_calling(api: ServedApi, header: str | None) -> None:
    r, value = api.registry, header
    if header in ("expired", "revoked", "altered", "truncated", "inactive"):
        person = r.person(f"person-{new_id()}", ADMIN)
        token, token_id = r.token(person)
        if header == "expired":
            query(r, "update tokens set expires_at = now() - interval '1 second' where id = %s returning 1", token_id)
        if header == "revoked":
            tokens.revoke_token(r.unit(), r.call(person), token_id)
        if header == "inactive":
            r.change(person.id, active=False)
        if header == "altered":
            token = token[:-1] + ("A" if token[-1] != "A" else "B")
        value = f"Bearer {token[:-1] if header == 'truncated' else token}"
    headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
    before = api.stored()
    client = api.anonymous
    operations = guarded(api)
    assert len(operations) > 30
    for method, path, operation in operations:
        client.headers = httpx.Headers(headers)
        try:
            answer = call(client, method, path, operation)
        finally:
            client.headers = httpx.Headers()
        refusal(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert api.stored() == before


@pytest.mark.parametrize("way", ["Cookie", "query"])
def test_a_token_counts_only_where_it_belongs(api: ServedApi, way: str) -> None:
    token = api.tokens["dana"]
    if way == "query":
        answer = api.anonymous.get("/api/v1/models", params={"token": token, "access_token": token})
    else:
        answer = api.anonymous.get("/api/v1/models", headers={"Cookie": f"token={token}"})
    refusal(answer, 401, "UNAUTHENTICATED")


# --- signing in -------------------------------------------------------------------------------------------


def test_a_name_and_a_password_give_a_token_that_works(api: ServedApi) -> None:
    name = user(api)
    issued = data(login(api, name, label="ci"))
    assert issued["token"].startswith(TOKEN_PREFIX)
    assert issued["tokenType"] == "Bearer"
    client = api.with_token(issued["token"])
    me = data(client.get("/api/v1/auth/me"))
    assert (me["name"], me["roles"], me["groups"], me["active"]) == (
        name,
        ["data_scientist", "ml_engineer"],
        ["risk"],
        True,
    )
    mine = data(client.get("/api/v1/auth/tokens"))
    assert [(token["id"], token["label"], token["revokedAt"]) for token in mine] == [(issued["tokenId"], "ci", None)]
    client.close()


def test_unknown_and_wrong_are_told_alike(api: ServedApi) -> None:
    name = user(api)
    without_password = api.registry.person(f"person-{new_id()}", ADMIN).name
    answers = [
        login(api, name, "wrong"),
        login(api, name, PASSWORD + " "),
        login(api, name, ""),
        login(api, "nobody", PASSWORD),
        login(api, "\x00", PASSWORD),
        login(api, name.upper(), PASSWORD),
        login(api, without_password, PASSWORD),
        login(api, without_password, ""),
    ]
    told = set()
    for answer in answers:
        error = refusal(answer, 401, "UNAUTHENTICATED")
        told.add((error["message"], str(error["details"])))
    assert len(told) == 1


def test_who_was_deactivated_neither_signs_in_nor_goes_on(api: ServedApi) -> None:
    name, r = user(api), api.registry
    client = api.with_token(data(login(api, name))["token"])
    me = data(client.get("/api/v1/auth/me"))
    answer = api.admin.put(f"/api/v1/users/{me['id']}/access", json={"active": False})
    assert data(answer)["active"] is False
    refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    refusal(login(api, name), 401, "UNAUTHENTICATED")
    r.change(me["id"], roles=["approver"], active=True)
    assert data(client.get("/api/v1/auth/me"))["roles"] == ["approver"]
    client.close()


def test_revoking_works_at_once_and_only_for_ones_own(api: ServedApi) -> None:
    name = user(api)
    first, second = (data(login(api, name)) for _ in range(2))
    client = api.with_token(first["token"])
    refusal(api.dev.delete(f"/api/v1/auth/tokens/{first['tokenId']}"), 404, "TOKEN_NOT_FOUND")
    refusal(api.grace.delete(f"/api/v1/auth/tokens/{first['tokenId']}"), 404, "TOKEN_NOT_FOUND")
    assert data(client.get("/api/v1/auth/me"))["name"] == name
    assert data(client.delete(f"/api/v1/auth/tokens/{second['tokenId']}")) is None
    other = api.with_token(second["token"])
    refusal(other.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    assert data(client.delete(f"/api/v1/auth/tokens/{first['tokenId']}")) is None
    refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    for each in (client, other):
        each.close()


def test_secrets_are_neither_stored_nor_logged_nor_audited(api: ServedApi, caplog: pytest.LogCaptureFixture) -> None:
    secret = f"secret-{new_id()}"
    with caplog.at_level(logging.DEBUG):
        created = api.admin.post(
            "/api/v1/users", json={"name": f"u-{new_id()}", "roles": ["viewer"], "password": secret}
        )
        name = data(created, 201)["name"]
        issued = data(login(api, name, secret))
        wrong = f"wrong-{new_id()}"
        login(api, name, wrong)
        client = api.with_token(issued["token"])
        assert data(client.get("/api/v1/auth/me"))["name"] == name
        client.get("/api/v1/models", params={"page": "x"})
        data(client.delete(f"/api/v1/auth/tokens/{issued['tokenId']}"))
        client.get("/api/v1/auth/me")
        client.close()
    assert "/api/v1/auth/login" in caplog.text, "calls are logged"
    told = created.text + caplog.text
    for hidden in (secret, wrong, issued["token"], issued["token"].removeprefix(TOKEN_PREFIX)):
        assert hidden not in told
        tables = query(api.registry, "select tablename from pg_tables where schemaname = 'public'")
        for (table,) in tables:
            found = query(api.registry, f"select 1 from {table} t where strpos(t::text, %s) > 0", hidden)
            assert not found, table
    assert "argon2" not in told
    hashes = query(api.registry, "select password_hash from users where name = %s", name)
    assert hashes[0][0].startswith("$argon2id$")


# --- roles ------------------------------------------------------------------------------------------------


def test_what_developers_may_not(api: ServedApi) -> None:
    someone = data(api.dev.get("/api/v1/auth/me"))["id"]
    for answer in (
        api.dev.get("/api/v1/users"),
        api.dev.post("/api/v1/users", json={"name": "x", "roles": ["catalog_admin"], "password": "long enough it is"}),
        api.dev.put(f"/api/v1/users/{someone}/access", json={"roles": ["catalog_admin"]}),
        api.dev.put("/api/v1/policies/completeness", json={"parameters": {}}),
    ):
        error = refusal(answer, 403, "FORBIDDEN")
        assert error["details"]["permission"] in error["message"]


def test_what_approvers_may_not(api: ServedApi) -> None:
    model = api.model()
    draft = api.version(model)
    before = api.stored()
    for answer in (
        api.grace.post("/api/v1/models", json={"name": "x", "group": "lab", "riskTier": "Low"}),
        api.grace.post(f"/api/v1/models/{model}/versions", json={"version": "2.0.0", "commitSha": "0" * 40}),
        api.grace.put(f"{draft}/metadata", json={"metadata": {}}, headers={"If-Match": '"1"'}),
        api.grace.post(f"{draft}/artifacts", params={"type": "config", "name": "c"}, content=b"x"),
        api.grace.post(f"{draft}/transitions", json={"transition": "submit"}),
        api.grace.put("/api/v1/policies/completeness", json={"parameters": {}}),
        api.grace.get("/api/v1/users"),
    ):
        refusal(answer, 403, "FORBIDDEN")
    assert api.stored() == before
    refusal(api.dev.post(f"{draft}/transitions", json={"transition": "retract"}), 400, "INVALID_INPUT")


def test_administrators_manage_people(api: ServedApi) -> None:
    body = {"name": f"u-{new_id()}", "roles": ["approver"], "groups": ["risk", "risk"], "password": PASSWORD}
    created = api.admin.post("/api/v1/users", json=body, headers={"Idempotency-Key": "the-same"})
    person = data(created, 201)
    assert (person["roles"], person["groups"]) == (["approver"], ["risk"])
    again = api.admin.post("/api/v1/users", json=body, headers={"Idempotency-Key": "the-same"})
    assert data(again, 201)["id"] == person["id"]
    refusal(api.admin.post("/api/v1/users", json=body), 409, "DUPLICATE")
    listed = data(api.admin.get("/api/v1/users", params={"pageSize": 200}))
    assert person["id"] in {item["id"] for item in listed}
    assert not {"password", "passwordHash"} & set(listed[0])
    me = data(api.admin.get("/api/v1/auth/me"))["id"]
    own: dict[str, Any] = {"roles": ["viewer"], "groups": [], "active": True}
    refusal(api.admin.put(f"/api/v1/users/{me}/access", json=own), 400, "INVALID_INPUT")
    refusal(api.admin.put(f"/api/v1/users/{new_id()}/access", json=own), 404, "USER_NOT_FOUND")
    refusal(api.admin.put("/api/v1/users/nobody/access", json=own), 404, "USER_NOT_FOUND")
