"""Services call with the provider's access token, or exchange it for one of ours."""

from __future__ import annotations

import time

import httpx

from api.cli.device_flow import DeviceFlow, Prompt
from tests.api.oidc.conftest import Trusting, TrustingApi
from tests.api.served import data, refusal
from tests.fixtures.oidc_browser import OidcBrowser
from tests.governance.operations.situations import query


def test_an_access_token_is_a_bearer_token(signing_in: TrustingApi) -> None:
    me = signing_in.me(signing_in.access_token())
    assert (me["name"], me["kind"], me["roles"], me["groups"]) == ("robot", "service", [], ["platform"])
    assert signing_in.me(signing_in.access_token())["id"] == me["id"]


def test_an_access_token_is_exchanged_for_one_of_ours(signing_in: TrustingApi) -> None:
    jwt = signing_in.access_token()
    answer = signing_in.api.anonymous.post("/api/v1/auth/oidc/exchange", headers={"Authorization": f"Bearer {jwt}"})
    issued = data(answer)
    assert issued["token"].startswith("ghs_")
    assert signing_in.me(issued["token"]) == signing_in.me(jwt)


def test_without_an_audience_no_access_token_is_accepted(trusting: Trusting) -> None:
    with trusting(oidc_audience="") as made, made.api.with_token(jwt := made.access_token()) as client:
        error = refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
        assert jwt not in str(error)
        refusal(client.post("/api/v1/auth/oidc/exchange"), 401, "UNAUTHENTICATED")


def test_one_proof_at_a_time(signing_in: TrustingApi) -> None:
    path = "/api/v1/auth/oidc/exchange"
    refusal(signing_in.api.anonymous.post(path), 400, "INVALID_INPUT")
    with signing_in.api.with_token(signing_in.access_token()) as client:
        refusal(client.post(path, json={"idToken": "x"}), 400, "INVALID_INPUT")


def test_who_is_made_inactive_is_out_within_a_second(signing_in: TrustingApi) -> None:
    jwt = signing_in.access_token()
    user_id = signing_in.me(jwt)["id"]
    registry = signing_in.api.registry
    try:
        query(registry, "update users set active = false where id = %s returning id", user_id)
        time.sleep(1)
        with signing_in.api.with_token(jwt) as client:
            refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    finally:
        query(registry, "update users set active = true where id = %s returning id", user_id)


def test_keys_are_rotated_and_the_provider_goes_away(trusting: Trusting) -> None:
    with trusting(pause=0.0) as made:
        first = made.access_token()
        made.me(first)

        made.provider.rotate()
        made.provider.restart()
        second = made.access_token()
        assert made.me(second)["name"] == "robot"
        with made.api.with_token(first) as client:
            refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")

        made.provider.stop()
        assert made.me(second)["name"] == "robot", "known keys outlast an outage"
        with made.api.with_token(first) as client:
            error = refusal(client.get("/api/v1/auth/me"), 503, "DEPENDENCY_UNAVAILABLE")
            assert error["details"] == {"dependency": "oidc"}


def test_the_provider_is_away_from_the_start(trusting: Trusting) -> None:
    with trusting(pause=0.1) as made:
        jwt = made.access_token()
        made.provider.stop()
        for _ in range(2):
            refusal(made.api.anonymous.get("/api/v1/auth/oidc/login"), 503, "DEPENDENCY_UNAVAILABLE")
        with made.api.with_token(jwt) as client:
            answer = client.get("/api/v1/auth/me")
            refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
            assert answer.headers["retry-after"].isdigit()
        assert data(made.api.dev.get("/api/v1/auth/me"))["name"] == "dana", "our own tokens need no provider"
        made.provider.start()
        time.sleep(0.2)
        assert made.me(jwt)["name"] == "robot"


def test_groups_follow_the_provider(trusting: Trusting) -> None:
    with trusting() as made:
        user_id = made.me(made.access_token())["id"]
        registry = made.api.registry
        registry.change(user_id, in_groups=["local"])
        old = made.access_token()
        made.provider.groups["robot"] = ["risk"]
        made.provider.restart()
        time.sleep(1.1)  # "issued at" counts in seconds
        new = made.access_token()
        assert made.me(new)["groups"] == ["local", "risk"]
        assert made.me(old)["groups"] == ["local", "risk"], "an older token gives nothing back"
        assert made.audited("user:groups:followed", user_id) == 1


def test_the_configuration_is_what_a_command_line_needs(signing_in: TrustingApi) -> None:
    found = data(signing_in.api.anonymous.get("/api/v1/auth/oidc/configuration"))
    assert found == {
        "issuer": signing_in.provider.issuer,
        "clientId": "gatehouse",
        "deviceClientId": "gatehouse-cli",
        "scopes": ["openid", "profile", "email", "groups"],
    }
    assert httpx.get(found["issuer"] + "/jwks", trust_env=False).status_code == 200


def test_tokens_are_not_taken_for_each_other(signing_in: TrustingApi) -> None:
    exchange, me = "/api/v1/auth/oidc/exchange", "/api/v1/auth/me"
    id_token, access_token = _id_token(signing_in, "ada"), signing_in.access_token()
    anonymous = signing_in.api.anonymous
    assert data(anonymous.post(exchange, json={"idToken": id_token}))["tokenType"] == "Bearer"
    refusal(anonymous.post(exchange, json={"idToken": access_token}), 401, "UNAUTHENTICATED")
    stated, _, signature = access_token.split(".")
    for jwt in (id_token, f"{stated}.{id_token.split('.')[1]}.{signature}", f"{access_token[:-8]}AAAAAAAA", "a.b.c"):
        with signing_in.api.with_token(jwt) as client:
            error = refusal(client.get(me), 401, "UNAUTHENTICATED")
            assert jwt not in str(error)
            refusal(client.post(exchange), 401, "UNAUTHENTICATED")


def _id_token(made: TrustingApi, login: str) -> str:
    """By the device flow, whose person confirms at once."""

    def confirm(prompt: Prompt) -> None:
        browser.walk(prompt.address, user_code=prompt.code)

    with OidcBrowser(login) as browser, httpx.Client(trust_env=False) as client:
        flow = DeviceFlow(client, sleep=lambda _: None)
        return flow.id_token(made.provider.issuer, "gatehouse-cli", ["openid", "groups"], confirm)
