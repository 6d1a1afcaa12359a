"""Merkle proofs over the stored log, without reading it from its beginning.

`audit_tree` holds the root of every complete subtree of 2^8, 2^16, … leaves (the tiles of C2SP tlog-tiles, one hash
each). A proof then reads at most 256 leaves and 256 stored hashes of each level: a log of a million entries is three
short reads. The table is a cache that anybody with rights on the database can edit; nothing is believed because it
stands there, so whoever uses a proof holds it against a signed root.

Everything takes a psycopg connection; reading happens in its transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import psycopg

from governance.audit.merkle import node_hash, root_of
from governance.audit.proofs import consistency_path, inclusion_path

STEP = 8
"""Levels between two stored ones; a power of two of them is a tile."""

WIDTH = 2**STEP

_LEAVES = "select leaf from audit_entries where seq >= %s and seq < %s order by seq"
_NODES = "select position, hash from audit_tree where level = %s and position >= %s and position < %s"
_KNOWN = "select coalesce(max(position) + 1, 0) from audit_tree where level = %s"
_INSERT = """insert into audit_tree (level, position, hash)
    select %s, * from unnest(%s::bigint[], %s::bytea[]) on conflict do nothing"""


class IncompleteLogError(Exception):
    """Entries that a proof needs are not in the table."""


def inclusion(connection: psycopg.Connection[Any], seq: int, size: int) -> list[bytes]:
    """The audit path of entry `seq` in the tree of the first `size` (RFC 6962, 2.1.1), from the leaf upwards.

    Raises ValueError unless 0 <= seq < size, IncompleteLogError.
    """
    return Tree(connection).inclusion(seq, size)


def consistency(connection: psycopg.Connection[Any], first: int, second: int) -> list[bytes]:
    """That the tree of `first` entries is the beginning of that of `second` (RFC 6962, 2.1.2); empty for 0 and for
    equal sizes. Raises ValueError unless 0 <= first <= second, IncompleteLogError.
    """
    return Tree(connection).consistency(first, second)


def extend(connection: psycopg.Connection[Any], size: int, *, at_most: int | None = None) -> None:
    """Store the complete subtrees of the first `size` entries that are not stored yet; of `at_most` leaves in one call.

    In the transaction of `connection`, if it is in one. May run at the same time as others, and again.
    """
    (exists,) = connection.execute("select to_regclass('audit_tree') is not null").fetchone() or (False,)
    if not exists:  # a log before migration 0009: proofs are made from its leaves
        return
    for level in count(STEP, STEP):
        wanted = size >> level
        if not wanted:
            break
        (known,) = connection.execute(_KNOWN, (level,)).fetchone() or (0,)
        if level == STEP and at_most is not None:
            wanted = min(wanted, known + max(1, at_most // WIDTH))
            size = wanted * WIDTH
        if known < wanted:
            below = _below(connection, level, known * WIDTH, wanted * WIDTH)
            for place in range(known, wanted, WIDTH):
                hashes = [_root_of_tile(below) for _ in range(place, min(place + WIDTH, wanted))]
                connection.execute(_INSERT, (level, list(range(place, place + len(hashes))), hashes))


def forget(connection: psycopg.Connection[Any]) -> None:
    """Throw away what is stored, to be made anew."""
    connection.execute("delete from audit_tree")


class Tree:
    """Several proofs of one log: what was read for one serves the next."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        return inclusion_path(seq, size, self.root)

    def consistency(self, first: int, second: int) -> list[bytes]:
        return consistency_path(first, second, self.root)

    def root(self, low: int, high: int) -> bytes:
        """MTH of the leaves from `low` to `high` (exclusive), as RFC 6962 splits them."""
        width = high - low
        if width & (width - 1) == 0 and low % width == 0:
            return self._node(width.bit_length() - 1, low // width)
        left = 1 << (width - 1).bit_length() - 1
        return node_hash(self.root(low, low + left), self.root(low + left, high))

    def nodes(self, level: int, first: int) -> list[bytes]:
        """The WIDTH nodes of one tile, which have to exist completely."""
        return self._tile(level, first // WIDTH, WIDTH)

    def _node(self, level: int, position: int) -> bytes:
        stored = level - level % STEP
        few = 1 << level - stored
        tile, first = divmod(position * few, WIDTH)
        return root_of(self._tile(stored, tile, first + few)[first : first + few])

    def _tile(self, level: int, tile: int, needed: int) -> list[bytes]:
        """The nodes of a tile, at least the first `needed`, which have to exist completely."""
        nodes = self._tiles.get((level, tile), [])
        if len(nodes) < needed:
            nodes = self._tiles[(level, tile)] = self._read(level, tile * WIDTH, needed)
        return nodes

    def _read(self, level: int, first: int, needed: int) -> list[bytes]:
        end = first + WIDTH
        if level == 0:
            leaves = [bytes(leaf) for (leaf,) in self._connection.execute(_LEAVES, (first, end))]
            if len(leaves) < needed:
                raise IncompleteLogError(f"entries from {first} to {first + needed - 1} are not all there")
            return leaves
        known = {position: bytes(node) for position, node in self._connection.execute(_NODES, (level, first, end))}
        nodes: list[bytes] = []
        for place in range(first, end):
            if place in known:
                nodes.append(known[place])
            elif place < first + needed:
                nodes.append(root_of(self._tile(level - STEP, place, WIDTH)))
            else:
                break
        return nodes


def _below(connection: psycopg.Connection[Any], level: int, first: int, end: int) -> Iterator[bytes]:
    """The nodes under a level, in order."""
    if level > STEP:
        for place in range(first, end, WIDTH):
            yield from Tree(connection).nodes(level - STEP, place)
        return
    for place in range(first, end, 64 * WIDTH):
        rows = connection.execute(_LEAVES, (place, min(end, place + 64 * WIDTH)), binary=True)
        for (leaf,) in rows:
            yield leaf


def _root_of_tile(below: Iterator[bytes]) -> bytes:
    nodes = list(islice(below, WIDTH))
    if len(nodes) != WIDTH:
        raise IncompleteLogError("entries that were counted are not there")
    return root_of(nodes)
