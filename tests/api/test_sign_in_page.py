"""Signing in and out with a browser: nobody is led elsewhere, no other site signs anybody in, sessions end."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from http.cookies import SimpleCookie

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import urls

from api.pages.forms import FORM_COOKIE, local_path
from api.sessions import SESSION_COOKIE
from tests.api.browsing import PASSWORD, Browsing, hidden, person_with_password
from tests.api.served import ServedApi, data, refusal
from tests.governance.operations.situations import query


@pytest.fixture
def browsing(api: ServedApi) -> Iterator[Browsing]:
    with Browsing(api) as browsing:
        yield browsing


def test_the_right_password_opens_a_session_that_scripts_cannot_read(api: ServedApi, browsing: Browsing) -> None:
    name = person_with_password(api)
    answer = browsing.sign_in(name)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (line,) = browsing.set_cookies
    (cookie,) = SimpleCookie(line).values()
    assert cookie.key == SESSION_COOKIE == "__Host-gatehouse-session"
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "lax", "/")
    assert (cookie["max-age"], cookie["domain"]) == (str(12 * 3600), "")
    home = browsing.get("/")
    assert home.status_code == 200
    assert name in home.text
    assert [token["label"] for token in data(browsing.get("/api/v1/auth/tokens"))] == ["browser"]
    assert cookie.value not in home.text


def test_all_failures_look_alike(api: ServedApi, browsing: Browsing) -> None:
    name = person_with_password(api)
    query(api.registry, "update users set active = false where name = %s", inactive := person_with_password(api))
    seen = set()
    for given_name, password in (
        (name, "hopeless guess"),
        ("nobody", PASSWORD),
        (inactive, PASSWORD),
        ("dana", ""),
        ("", ""),
    ):
        answer = browsing.sign_in(given_name, password)
        assert answer.status_code == 401
        assert SESSION_COOKIE not in browsing.cookies
        told = answer.text.replace(f'value="{given_name}"', 'value=""').replace(" autofocus", "")
        seen.add(told.replace(hidden(answer)["token"], ""))
        assert password == "" or password not in answer.text
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '" onfocus="alert(1)', "{{ 7 * 7 }}", "'&lt;"])
def test_what_was_typed_is_shown_as_text(browsing: Browsing, name: str) -> None:
    answer = browsing.sign_in(name, "x")
    assert answer.status_code == 401
    assert f'value="{escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}"' in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("change", ["none", "empty", "altered", "of another browser", "no cookie"])
def test_a_form_that_was_not_made_for_this_browser_is_refused(api: ServedApi, browsing: Browsing, change: str) -> None:
    name = person_with_password(api)
    fields = {**hidden(browsing.get("/sign-in")), "name": name, "password": PASSWORD}
    if change == "none":
        del fields["token"]
    if change == "empty":
        fields["token"] = ""
    if change == "altered":
        fields["token"] = ("0" if fields["token"][0] != "0" else "1") + fields["token"][1:]
    if change == "of another browser":
        with Browsing(api) as other:
            fields["token"] = hidden(other.get("/sign-in"))["token"]
    if change == "no cookie":
        del browsing.cookies[FORM_COOKIE]
    answer = browsing.post("/sign-in", fields)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert SESSION_COOKIE not in browsing.cookies


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("text/plain", b"name=dana&password=x"),
        ("application/x-www-form-urlencoded", b"name=%ff"),
        ("application/x-www-form-urlencoded", b"name=\xff"),
        ("application/x-www-form-urlencoded", b"name=a&name=b"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=" % n for n in range(50))),
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"token=\x00"),
    ],
)
def test_what_is_no_form_of_ours(browsing: Browsing, content_type: str, body: bytes) -> None:
    browsing.get("/sign-in")
    answer = browsing.post("/sign-in", body, content_type=content_type)
    assert answer.status_code in (400, 403)
    assert answer.headers["content-type"].startswith("text/html")


# --- where it leads ---------------------------------------------------------------------------------------

HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
    "/%252fevil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/ /evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "https://evil.example/",
    "HTTPS:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    "/\u2028/evil",
    "/ünïcode",
    "/sign-in?next=/",
    "/sign-out",
    "",
    "/" + "x" * 3000,
]


@pytest.mark.parametrize("wanted", HOSTILE)
def test_nobody_is_led_elsewhere(wanted: str) -> None:
    assert local_path(wanted) == "/"


@given(urls() | st.text(alphabet="/\\%25fc.@:?#\t e", max_size=12) | st.text(max_size=12))
def test_what_passes_is_a_path_of_ours_to_every_reader(wanted: str) -> None:
    passed = local_path(wanted)
    assert httpx.URL("http://ours.example:8000/").join(passed).netloc == b"ours.example:8000"
    assert passed.startswith("/")
    assert not passed.startswith(("//", "/\\"))
    assert "\\" not in passed


@pytest.mark.parametrize(
    ("wanted", "location"),
    [("/runs/1?x=%20y", "/runs/1?x=%20y"), ("/", "/"), ("//evil.example", "/"), ("/%5cevil.example", "/")],
)
def test_one_is_led_to_where_one_wanted(api: ServedApi, browsing: Browsing, wanted: str, location: str) -> None:
    answer = browsing.sign_in(person_with_password(api), onwards=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, location)


def test_the_form_itself_cannot_lead_elsewhere(api: ServedApi, browsing: Browsing) -> None:
    """The hidden field is checked when it comes back, too."""
    name = person_with_password(api)
    fields = {**hidden(browsing.get("/sign-in")), "next": "//evil.example", "name": name, "password": PASSWORD}
    assert browsing.post("/sign-in", fields).headers["location"] == "/"


# --- sessions ---------------------------------------------------------------------------------------------


def test_signing_out_revokes_the_session(api: ServedApi, browsing: Browsing) -> None:
    browsing.sign_in(person_with_password(api))
    token = browsing.cookies[SESSION_COOKIE]
    form = hidden(browsing.get("/"))
    for headers, fields in (
        ({"sec_fetch_site": "cross-site"}, form),
        ({"sec_fetch_site": "same-site"}, form),
        ({}, {"token": "0" * 64}),
        ({}, {"x": ""}),
    ):
        assert browsing.post("/sign-out", fields, **headers).status_code == 403
    assert browsing.get("/").status_code == 200
    answer = browsing.post("/sign-out", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert SESSION_COOKIE not in browsing.cookies
    browsing.cookies[SESSION_COOKIE] = token
    assert browsing.get("/").headers["location"] == "/sign-in"
    with api.with_token(token) as client:
        refusal(client.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{ours}"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "{ours}"}, True),
        ({"Origin": "http://127.0.0.1:8000"}, True),  # setting api_url
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "{ours}.evil.example"}, False),
        ({"Origin": "http://[evil"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({}, False),
    ],
)
def test_a_session_changes_things_only_from_our_pages(api: ServedApi, headers: dict[str, str], allowed: bool) -> None:
    sent = {name: value.replace("{ours}", api.url) for name, value in headers.items()}
    cookie = {"Cookie": f"{SESSION_COOKIE}={api.session('dana')}"}
    body = {"name": f"m-{abs(hash(str(headers)))}", "group": "lab", "riskTier": "Low"}
    answer = api.anonymous.post("/api/v1/models", json=body, headers={**cookie, **sent})
    if allowed:
        data(answer, 201)
    else:
        refusal(answer, 403, "FORBIDDEN")
    assert data(api.anonymous.get("/api/v1/auth/me", headers={**cookie, **sent}))["name"] == "dana"


def test_a_cookie_never_helps_a_wrong_token(api: ServedApi) -> None:
    for value in ("Bearer wrong", "Basic ZGFuYTp4", ""):
        headers = {"Cookie": f"{SESSION_COOKIE}={api.session('dana')}", "Authorization": value}
        refusal(api.anonymous.get("/api/v1/auth/me", headers=headers), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("name", ["gatehouse-session", "__Secure-gatehouse-session", "__host-gatehouse-session"])
def test_only_the_guarded_cookie_counts(api: ServedApi, name: str) -> None:
    """Another name could be set by a neighbour host or over plain HTTP."""
    answer = api.anonymous.get("/api/v1/auth/me", headers={"Cookie": f"{name}={api.session('dana')}"})
    refusal(answer, 401, "UNAUTHENTICATED")
