"""An event on its way into the log: entry text, leaf and mac; and the row that it becomes."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import NamedTuple

from governance.audit.event import AuditEvent
from governance.audit.merkle import leaf_hash

_BLOCK_BYTES = 64  # of SHA-256


class Draft(NamedTuple):
    """What the business transaction writes. `leaf` and `mac` are 32 bytes."""

    entry: str
    leaf: bytes
    mac: bytes


class Entry(NamedTuple):
    """One row of the log as it is stored; verification takes it as a plain tuple in this order."""

    seq: int
    entry: str
    leaf: bytes
    mac: bytes
    chain: bytes


def draft(event: AuditEvent, key: bytes) -> Draft:
    """`event` as it is written. Raises InvalidInput for an event without canonical form."""
    entry = event.canonical()
    leaf = leaf_hash(entry.encode())
    return Draft(entry, leaf, mac_of(key, leaf))


def mac_of(key: bytes, leaf: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of a leaf with the audit key."""
    return hmac.digest(key, leaf, "sha256")


def mac_prefixes(key: bytes) -> tuple[bytes, bytes]:
    """What RFC 2104 hashes before the message and before the inner hash (key xor ipad, key xor opad).

    Verification computes `sha256(outer + sha256(inner + leaf))` itself: a third of the price of a call of `hmac`.
    """
    block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def is_authentic(row: Draft, key: bytes) -> bool:
    """Whether the platform wrote `row`: the leaf is of this entry and the mac is by this key."""
    return leaf_hash(row.entry.encode()) == row.leaf and hmac.compare_digest(mac_of(key, row.leaf), row.mac)
