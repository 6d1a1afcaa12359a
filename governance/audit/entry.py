"""An event on its way into the log: entry text, leaf and mac; and the row that it becomes."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from governance.audit.event import AuditEvent
from governance.audit.merkle import leaf_hash


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


def is_authentic(row: Draft, key: bytes) -> bool:
    """Whether the platform wrote `row`: the leaf is of this entry and the mac is by this key."""
    return leaf_hash(row.entry.encode()) == row.leaf and hmac.compare_digest(mac_of(key, row.leaf), row.mac)
