"""Signed download addresses: only what was signed is accepted, and only until it expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.artifacts.local import LocalArtifactStore
from storage.artifacts.signed_urls import DownloadClaims, UrlExpired, UrlRefused, sign, verify
from tests.storage.artifacts.conftest import SIGNING_KEY, LocalBackend

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATH = "/api/v1/blobs/" + "ab" * 32


def signed(
    method: str = "GET",
    path: str = PATH,
    filename: str = "model.onnx",
    media_type: str = "application/octet-stream",
    ttl_seconds: int = 60,
) -> tuple[str, str]:
    address = sign(
        method,
        path,
        filename=filename,
        media_type=media_type,
        key=SIGNING_KEY,
        at=NOW,
        ttl_seconds=ttl_seconds,
    )
    path, _, query = address.partition("?")
    return path, query


def test_what_was_signed_is_verified() -> None:
    path, query = signed(filename="Gewichte für München.onnx", media_type="Application/X-ONNX; q=1")

    claims = verify("GET", path, query, key=SIGNING_KEY, at=NOW)

    assert path == PATH
    assert claims == DownloadClaims("Gewichte für München.onnx", "application/x-onnx", NOW + timedelta(seconds=60))


def test_the_local_store_gives_such_an_address(local: LocalBackend) -> None:
    address = local.store.download_url("cd" * 32, filename="a.bin", media_type="text/plain", at=NOW, ttl_seconds=300)
    path, _, query = address.partition("?")

    assert path == "/api/v1/blobs/" + "cd" * 32
    claims = verify("GET", path, query, key=SIGNING_KEY, at=NOW)
    assert claims == DownloadClaims("a.bin", "text/plain", NOW + timedelta(seconds=300))


def test_it_ends_at_its_expiry_and_not_before() -> None:
    path, query = signed(ttl_seconds=60)

    assert verify("GET", path, query, key=SIGNING_KEY, at=NOW + timedelta(seconds=59))
    for late in (60, 61, 10**6):
        with pytest.raises(UrlExpired):
            verify("GET", path, query, key=SIGNING_KEY, at=NOW + timedelta(seconds=late))


def test_every_single_changed_character_is_refused() -> None:
    path, query = signed(filename="a b+c%ä.onnx")
    meant = parse_qsl(query)
    for position, character in enumerate(query):
        for other in ("0", "1", "a", "Z", "&", "=", "%", "+", "é", "\ud800"):
            changed = query[:position] + other + query[position + 1 :]
            if other == character or same_meaning(changed, meant):
                continue
            with pytest.raises(UrlRefused):
                verify("GET", path, changed, key=SIGNING_KEY, at=NOW)
    for position, character in enumerate(path):
        changed = path[:position] + ("0" if character != "0" else "1") + path[position + 1 :]
        with pytest.raises(UrlRefused):
            verify("GET", changed, query, key=SIGNING_KEY, at=NOW)


def same_meaning(query: str, meant: list[tuple[str, str]]) -> bool:
    """`%c3` and `%C3` spell one name: the meaning is signed, not the spelling."""
    try:
        return parse_qsl(query, strict_parsing=True, errors="strict") == meant
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["expires", "filename", "type", "signature"])
def test_no_parameter_may_be_changed_dropped_or_repeated(name: str) -> None:
    path, query = signed()
    pairs = parse_qsl(query)
    own = next(pair for pair in pairs if pair[0] == name)
    others = [pair for pair in pairs if pair != own]
    forged = [
        others,
        [*others, (name, own[1] + "0")],
        [*others, (name, "")],
        [*pairs, own],
        [(name, "9999999999"), *pairs],
        [*pairs, (name, "9999999999")],
        [*pairs, (name.upper(), own[1])],
    ]
    for parameters in forged:
        with pytest.raises(UrlRefused):
            verify("GET", path, urlencode(parameters), key=SIGNING_KEY, at=NOW)


def test_the_order_of_parameters_is_free() -> None:
    path, query = signed()

    assert verify("GET", path, "&".join(reversed(query.split("&"))), key=SIGNING_KEY, at=NOW)


def test_another_method_path_or_key_is_refused() -> None:
    path, query = signed()
    attempts = [("PUT", path, SIGNING_KEY), ("DELETE", path, SIGNING_KEY), ("get", path, SIGNING_KEY)]
    attempts += [("GET", path + "/", SIGNING_KEY), ("GET", path.replace("ab", "cd", 1), SIGNING_KEY)]
    attempts += [("GET", path, bytes(32))]
    for method, other_path, key in attempts:
        with pytest.raises(UrlRefused):
            verify(method, other_path, query, key=key, at=NOW)


@pytest.mark.parametrize("query", ["", "a", "&", "=", "signature=", "%", "%ff=1", "x" * 100_000, "a=1&" * 1000])
def test_rubbish_is_refused_and_raises_nothing_else(query: str) -> None:
    with pytest.raises(UrlRefused):
        verify("GET", PATH, query, key=SIGNING_KEY, at=NOW)


@given(query=st.text(max_size=300), path=st.text(max_size=100))
def test_any_text_is_refused_and_raises_nothing_else(query: str, path: str) -> None:
    with pytest.raises(UrlRefused):
        verify("GET", path, query, key=SIGNING_KEY, at=NOW)


@given(filename=st.text(max_size=60), media_type=st.text(max_size=30))
def test_claims_carry_nothing_that_could_end_a_header(filename: str, media_type: str) -> None:
    path, query = signed(filename=filename, media_type=media_type)

    claims = verify("GET", path, query, key=SIGNING_KEY, at=NOW)

    for claim in (claims.filename, claims.media_type):
        assert claim
        assert claim.isprintable()
    assert not set('/\\"') & set(claims.filename)


@pytest.mark.parametrize("ttl_seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_an_address_that_never_lives_or_lives_too_long_is_not_made(ttl_seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        signed(ttl_seconds=ttl_seconds)


def test_a_short_key_signs_nothing(local: LocalBackend) -> None:
    weak = LocalArtifactStore(local.root, url_path="/x", signing_key=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        weak.download_url("ab" * 32, filename="f", media_type="a/b", at=NOW, ttl_seconds=60)


def test_the_key_is_in_no_representation(local: LocalBackend) -> None:
    path, query = signed()
    for text in (repr(local.store), str(local.store), path + query):
        assert SIGNING_KEY.hex() not in text
        assert repr(SIGNING_KEY)[2:-1] not in text
