"""What a provider says about itself is believed only where it cannot lead elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance.errors import DependencyUnavailable
from storage.oidc.discovery import ALLOWED_ALGORITHMS, Metadata, metadata_from
from storage.oidc.web import LARGEST_ANSWER, fetch_json
from storage.settings import Settings, SettingsError, is_secure_address
from tests.fixtures.loops import run_async
from tests.storage.oidc.issuing import Issuer, issuing

ISSUER = "https://id.example/realm"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://id.example/auth",
    "token_endpoint": "https://id.example/token",
    "jwks_uri": "https://keys.example/jwks",
    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
}


def read(**changes: Any) -> Metadata:
    document = {**DOCUMENT, **changes}
    return metadata_from({name: value for name, value in document.items() if value is not None}, ISSUER)


def test_what_both_sides_can_is_used() -> None:
    assert read().algorithms == ("RS256", "ES256")
    assert read(id_token_signing_alg_values_supported=["none", "HS256", "PS256"]).algorithms == ("PS256",)
    assert read(id_token_signing_alg_values_supported=None).algorithms == ("RS256",)
    assert not [name for name in ALLOWED_ALGORITHMS if name.startswith("HS") or name.lower() == "none"]


def test_how_the_client_signs_in() -> None:
    assert not read().login_in_form
    assert read(token_endpoint_auth_methods_supported=["client_secret_post"]).login_in_form
    assert not read(token_endpoint_auth_methods_supported=["client_secret_post", "client_secret_basic"]).login_in_form


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": None},
        {"issuer": ISSUER + "/"},
        {"issuer": ISSUER.upper()},
        {"issuer": [ISSUER]},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "https://user:secret@id.example/token"},
        {"token_endpoint": 1},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"device_authorization_endpoint": "http://id.example"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"id_token_signing_alg_values_supported": []},
    ],
)
def test_what_leads_elsewhere_is_not_used(changes: dict[str, Any]) -> None:
    with pytest.raises(DependencyUnavailable):
        read(**changes)


@pytest.mark.parametrize(
    ("address", "secure"),
    [
        ("https://id.example", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9", True),
        ("http://localhost/x", True),
        ("http://id.example", False),
        ("http://127.0.0.1.example", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1@id.example", False),
        ("https://user@id.example", False),
        ("https://id.example:port", False),
        ("https://", False),
        ("ftp://127.0.0.1", False),
        ("", False),
    ],
)
def test_where_secrets_may_travel(address: str, secure: bool) -> None:
    assert is_secure_address(address) is secure


@pytest.mark.parametrize(
    "settings",
    [
        {"GATEHOUSE_OIDC_ISSUER": "http://id.example", "GATEHOUSE_OIDC_CLIENT_ID": "x"},
        {"GATEHOUSE_OIDC_ISSUER": "https://id.example?x=1", "GATEHOUSE_OIDC_CLIENT_ID": "x"},
        {"GATEHOUSE_OIDC_ISSUER": ISSUER},
        {"GATEHOUSE_OIDC_ISSUER": ISSUER, "GATEHOUSE_OIDC_CLIENT_ID": "x", "GATEHOUSE_OIDC_SCOPES": "profile"},
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="GATEHOUSE_OIDC"):
        Settings.load(settings, tmp_path)


def test_the_secret_is_not_shown(tmp_path: Path) -> None:
    settings = {
        "GATEHOUSE_OIDC_ISSUER": ISSUER,
        "GATEHOUSE_OIDC_CLIENT_ID": "gatehouse",
        "GATEHOUSE_OIDC_CLIENT_SECRET": "hunter2",
    }
    assert "hunter2" not in repr(Settings.load(settings, tmp_path))


@pytest.fixture(scope="module")
def server() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"[]"),
        (200, {}, b"<html>"),
        (200, {}, b"\xff"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'"' + b"x" * LARGEST_ANSWER + b'"'),
        (500, {}, b"{}"),
        (429, {}, b"{}"),
        (302, {"Location": "/jwks"}, b""),
        (200, {"Content-Encoding": "gzip"}, b"{}"),
    ],
)
def test_answers_that_are_none(server: Issuer, answer: tuple[int, dict[str, str], bytes]) -> None:
    server.documents["/odd"] = answer
    server.asked.clear()
    with pytest.raises(DependencyUnavailable) as refusal:
        run_async(fetch_json("GET", f"{server.address}/odd"))
    assert refusal.value.details == {"dependency": "oidc"}
    assert server.asked == ["/odd"], "redirects are not followed"


def test_nobody_there() -> None:
    for address in ("http://127.0.0.1:1/", "http://nobody.invalid/"):
        with pytest.raises(DependencyUnavailable):
            run_async(fetch_json("GET", address))
