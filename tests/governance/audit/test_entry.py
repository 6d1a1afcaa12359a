"""Leaf and mac bind an entry to its text and to the platform."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from governance.audit.entry import Draft, draft, is_authentic, mac_of, mac_prefixes
from tests.governance.audit.histories import AUDIT_KEY, event


def test_leaf_is_the_rfc_6962_hash_of_the_text_and_mac_is_hmac_of_the_leaf() -> None:
    row = draft(event(1), AUDIT_KEY)
    assert row.leaf == hashlib.sha256(b"\x00" + row.entry.encode()).digest()
    assert row.mac == hmac.new(AUDIT_KEY, row.leaf, hashlib.sha256).digest()


def test_mac_follows_rfc_4231_test_case_2() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert mac_of(b"Jefe", b"what do ya want for nothing?").hex() == expected


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 64, 65, 200])
def test_mac_prefixes_make_the_same_mac(length: int) -> None:
    key = bytes(range(200))[:length]
    inner, outer = mac_prefixes(key)
    assert hashlib.sha256(outer + hashlib.sha256(inner + b"leaf").digest()).digest() == mac_of(key, b"leaf")


def test_what_the_platform_wrote_is_authentic() -> None:
    assert is_authentic(draft(event(1), AUDIT_KEY), AUDIT_KEY)


@pytest.mark.parametrize(
    "forged",
    [
        draft(event(1), b"another key"),
        draft(event(1), AUDIT_KEY)._replace(entry=event(2).canonical()),
        draft(event(1), AUDIT_KEY)._replace(leaf=draft(event(2), AUDIT_KEY).leaf),
        draft(event(1), AUDIT_KEY)._replace(mac=b""),
        draft(event(2), AUDIT_KEY)._replace(mac=draft(event(1), AUDIT_KEY).mac),
    ],
)
def test_anything_else_is_not(forged: Draft) -> None:
    assert not is_authentic(forged, AUDIT_KEY)
