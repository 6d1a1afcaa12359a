"""Passwords and tokens: only what fits opens, and nothing stored opens anything."""

from __future__ import annotations

import pytest

from storage.credentials import TOKEN_PREFIX, hash_password, new_token, password_matches, token_mac

KEY = b"k" * 32


def test_a_password_fits_its_own_hash_only() -> None:
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert password_matches("correct horse", stored)
    for wrong in ("", "correct hors", "correct horse ", "Correct horse", stored):
        assert not password_matches(wrong, stored)


def test_the_same_password_is_stored_differently_each_time() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$x", "correct horse"])
def test_without_a_readable_hash_no_password_fits(stored: str | None) -> None:
    for password in ("correct horse", "", stored or "x"):
        assert not password_matches(password, stored)


@pytest.mark.parametrize("password", ["", "\x00", "日本語", "x" * 1024])
def test_any_text_may_be_a_password(password: str) -> None:
    assert password_matches(password, hash_password(password))


def test_tokens_are_long_random_and_recognisable() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith(TOKEN_PREFIX) and len(token) >= len(TOKEN_PREFIX) + 43 for token in tokens)


def test_what_is_stored_of_a_token_depends_on_all_of_it_and_on_the_key() -> None:
    token = new_token()
    mac = token_mac(token, KEY)
    assert len(mac) == 32
    assert token_mac(token, KEY) == mac
    assert token_mac(token[:-1], KEY) != mac
    assert token_mac(token, b"o" * 32) != mac
    assert token.encode() not in mac


def test_whatever_a_header_holds_has_a_mac() -> None:
    for text in ("", "\x00", "é", "\udcff", "x" * 100_000):
        assert len(token_mac(text, KEY)) == 32
