"""The Merkle tree of RFC 6962 section 2.1, kept as its right edge.

A tree of n leaves is a row of perfect subtrees, one for each 1-bit of n, the largest on the left. Their roots
(the *frontier*; "compact range" in the literature) are all that appending needs: at most 63 hashes for any
log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d). The prefix keeps leaves and inner nodes apart (second preimages)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A growing tree. `size` leaves so far; `frontier` holds the roots of its perfect subtrees, largest first."""

    __slots__ = ("_frontier", "size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        """Continue from a stored edge. Raises ValueError for an edge that no tree of `size` leaves has."""
        if size < 0 or len(frontier) != size.bit_count() or any(len(node) != HASH_BYTES for node in frontier):
            raise ValueError(f"{len(frontier)} nodes are not the right edge of a tree of {size} leaves")
        self.size = size
        self._frontier = list(frontier)

    @property
    def frontier(self) -> tuple[bytes, ...]:
        return tuple(self._frontier)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: like adding 1 to a binary counter, each carry merges two subtrees."""
        carries = self.size
        nodes = self._frontier
        while carries & 1:
            leaf = sha256(b"\x01" + nodes.pop() + leaf).digest()
            carries >>= 1
        nodes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """MTH of the leaves so far: the edge folded from the right."""
        if not self._frontier:
            return EMPTY_ROOT
        *rest, root = self._frontier
        for node in reversed(rest):
            root = node_hash(node, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf *hashes*."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()
