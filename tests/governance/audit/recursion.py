"""RFC 6962 section 2.1 word for word, over the data itself: slow, and nothing to get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def head(data: Sequence[bytes]) -> bytes:
    """MTH(D[n]), section 2.1."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    split = _split(len(data))
    return sha256(b"\x01" + head(data[:split]) + head(data[split:])).digest()


def path(index: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1."""
    if len(data) == 1:
        return []
    split = _split(len(data))
    if index < split:
        return [*path(index, data[:split]), head(data[split:])]
    return [*path(index - split, data[split:]), head(data[:split])]


def consistency(first: int, data: Sequence[bytes], known: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) = SUBPROOF(m, D[n], true), section 2.1.2."""
    if first == len(data):
        return [] if known else [head(data)]
    split = _split(len(data))
    if first <= split:
        return [*consistency(first, data[:split], known), head(data[split:])]
    return [*consistency(first - split, data[split:], False), head(data[:split])]


def _split(count: int) -> int:
    split = 1
    while split * 2 < count:
        split *= 2
    return split
