"""A person signs in with a browser; whatever does not come from that sign-in is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api import sessions, sign_in_state
from tests.api.oidc.conftest import TrustingApi
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.oidc_browser import OidcBrowser


def signed_in(made: TrustingApi, browser: OidcBrowser, path: str = "/login?next=/docs") -> httpx.Response:
    ended = made.checked(browser.get(made.answer_to(browser, path)))
    assert ended.status_code == 303, ended.text
    return ended


def me_in(made: TrustingApi, browser: OidcBrowser) -> dict[str, Any]:
    """Whom the API takes this browser's session for."""
    name = sessions.SESSION_COOKIE
    session = next(cookie.value for cookie in browser.client.cookies.jar if cookie.name == name)
    answer = made.api.anonymous.get("/api/v1/auth/me", headers={"Cookie": f"{name}={session}"})
    found: dict[str, Any] = data(answer)
    return found


def test_code_with_pkce_begins_a_session(signing_in: TrustingApi) -> None:
    with OidcBrowser("ada") as browser:
        begun = signing_in.checked(browser.get(signing_in.at("/login?next=/docs")))
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["response_type"] == ["code"]
        assert len(asked["state"][0]) == len(asked["nonce"][0]) == len(asked["code_challenge"][0]) == 43
        flags = begun.headers["set-cookie"].lower()
        assert all(flag in flags for flag in ("httponly", "secure", "samesite=lax", "path=/", "max-age=600"))

        ended = signed_in(signing_in, browser)
        assert ended.headers["location"] == "/docs"
        flags = next(
            one for one in ended.headers.get_list("set-cookie") if one.startswith(sessions.SESSION_COOKIE)
        ).lower()
        assert all(flag in flags for flag in ("httponly", "secure", "samesite=lax", "path=/"))
        assert sign_in_state.COOKIE not in [cookie.name for cookie in browser.client.cookies.jar]

        me = me_in(signing_in, browser)
        assert (me["name"], me["roles"]) == ("ada", [])
        assert me["groups"] == ["data-science", "risk"], "what is no name of a group is passed over"


def test_the_same_person_stays_the_same_user(signing_in: TrustingApi) -> None:
    ids = set()
    for _ in range(2):
        with OidcBrowser("ada") as browser:
            signed_in(signing_in, browser)
            ids.add(me_in(signing_in, browser)["id"])
    assert len(ids) == 1
    assert signing_in.audited("user:provisioned", ids.pop()) == 1


def test_an_account_of_ours_is_not_taken_over_by_its_name(signing_in: TrustingApi) -> None:
    with OidcBrowser("root") as browser:
        signed_in(signing_in, browser)
        me = me_in(signing_in, browser)
    assert me["id"] != signing_in.api.registry.admin.id
    assert me["name"].startswith("root-")
    assert me["roles"] == []


# --- refused ----------------------------------------------------------------------------------------------


def test_a_code_is_good_once(signing_in: TrustingApi) -> None:
    with OidcBrowser("eve") as browser:
        answer = signing_in.answer_to(browser)
        state = next(cookie for cookie in browser.client.cookies.jar if cookie.name == sign_in_state.COOKIE)
        assert browser.get(answer).status_code == 303
        browser.client.cookies.jar.set_cookie(state)
        error = refusal(signing_in.checked(browser.get(answer)), 401, "UNAUTHENTICATED")
        code = parse_qs(urlsplit(answer).query)["code"][0]
        assert code not in str(error)


def test_an_answer_is_for_the_browser_that_asked(signing_in: TrustingApi) -> None:
    with OidcBrowser("eve") as eve, OidcBrowser("ada") as ada, OidcBrowser("nobody") as nobody:
        of_eve = signing_in.answer_to(eve)
        signing_in.answer_to(ada)
        for browser in (ada, nobody):
            error = refusal(signing_in.checked(browser.get(of_eve)), 400, "INVALID_INPUT")
            assert error["details"] == {"field": "state"}


def changed(address: str, **parameters: str | None) -> str:
    kept = {k: v for k, v in httpx.URL(address).params.items() if k not in parameters}
    added = {name: value for name, value in parameters.items() if value is not None}
    return str(httpx.URL(address).copy_with(params={**kept, **added}))


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"iss": "https://elsewhere.example"}, 400, "INVALID_INPUT"),
        ({"iss": None}, 400, "INVALID_INPUT"),
        ({"state": None}, 400, "INVALID_INPUT"),
        ({"state": ""}, 400, "INVALID_INPUT"),
        ({"state": "A" * 43}, 400, "INVALID_INPUT"),
        ({"code": None}, 400, "INVALID_INPUT"),
        ({"code": "made-up"}, 401, "UNAUTHENTICATED"),
        ({"code": None, "error": "access_denied"}, 401, "UNAUTHENTICATED"),
        ({"error": "<script>"}, 401, "UNAUTHENTICATED"),
    ],
)
def test_answers_that_the_provider_did_not_give(
    signing_in: TrustingApi, parameters: dict[str, str | None], status: int, code: str
) -> None:
    with OidcBrowser("eve") as browser:
        answer = changed(signing_in.answer_to(browser), **parameters)
        error = refusal(signing_in.checked(browser.get(answer)), status, code)
        assert "script" not in str(error)
        assert sessions.SESSION_COOKIE not in [cookie.name for cookie in browser.client.cookies.jar]


def test_a_parameter_stands_once(signing_in: TrustingApi) -> None:
    with OidcBrowser("eve") as browser:
        answer = signing_in.answer_to(browser)
        refusal(signing_in.checked(browser.get(f"{answer}&code=other")), 400, "INVALID_INPUT")


def test_a_cookie_of_our_own_making_only(signing_in: TrustingApi) -> None:
    with OidcBrowser("eve") as browser:
        answer = signing_in.answer_to(browser)
        cookie = next(one for one in browser.client.cookies.jar if one.name == sign_in_state.COOKIE)
        good = cookie.value or ""
        state, expires, path, mac = good.split(".")
        for forged in (
            "",
            "...",
            f"{state}.{int(expires) + 1}.{path}.{mac}",
            f"{state}.{expires}.Ly9ldmls.{mac}",
            f"{'A' * 43}.{expires}.{path}.{mac}",
            good[:-1],
        ):
            cookie.value = forged
            browser.client.cookies.jar.set_cookie(cookie)
            refusal(signing_in.checked(browser.get(answer)), 400, "INVALID_INPUT")
        cookie.value = good
        browser.client.cookies.jar.set_cookie(cookie)
        assert browser.get(answer).status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:x()",
        "docs",
        "/\n",
        "/é",
        "//[",
        "http://[",
    ],
)
def test_next_leads_nowhere_else(signing_in: TrustingApi, elsewhere: str) -> None:
    answer = signing_in.api.anonymous.get("/api/v1/auth/oidc/login", params={"next": elsewhere})
    refusal(answer, 400, "INVALID_INPUT")


def test_where_no_provider_is_named_there_is_no_such_sign_in(api: ServedApi) -> None:
    for method, path in (
        ("GET", "login"),
        ("GET", "callback"),
        ("GET", "configuration"),
        ("POST", "exchange"),
    ):
        refusal(api.anonymous.request(method, f"/api/v1/auth/oidc/{path}"), 404, "NOT_CONFIGURED")
