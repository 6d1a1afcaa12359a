"""The incremental tree equals the recursive definition and the published vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest

from governance.audit.merkle import EMPTY_ROOT, CompactRange, leaf_hash, root_of
from tests.governance.audit import certificate_transparency as published
from tests.governance.audit.recursion import head


def test_published_roots() -> None:
    hashes = [leaf_hash(leaf) for leaf in published.LEAVES]
    assert [root_of(hashes[:size]).hex() for size in range(9)] == published.ROOTS


def test_every_size_equals_the_recursive_definition() -> None:
    data = [str(number).encode() for number in range(130)]
    tree = CompactRange()
    for size in range(len(data) + 1):
        assert tree.root() == head(data[:size])
        assert len(tree.frontier) == size.bit_count()
        if size < len(data):
            tree.append(leaf_hash(data[size]))
            assert tree.size == size + 1


@pytest.mark.parametrize("stop", range(20))
def test_a_stored_edge_is_all_that_appending_needs(stop: int) -> None:
    hashes = [leaf_hash(bytes([number])) for number in range(40)]
    first = CompactRange()
    for leaf in hashes[:stop]:
        first.append(leaf)
    again = CompactRange(first.size, first.frontier)
    for leaf in hashes[stop:]:
        again.append(leaf)
    assert again.root() == root_of(hashes)
    assert first.root() == root_of(hashes[:stop])


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        (0, [EMPTY_ROOT]),
        (1, []),
        (2, [EMPTY_ROOT] * 2),
        (3, [EMPTY_ROOT]),
        (1, [b"short"]),
        (-1, [EMPTY_ROOT]),
    ],
)
def test_edges_that_no_tree_has_are_refused(size: int, edge: list[bytes]) -> None:
    with pytest.raises(ValueError, match="right edge"):
        CompactRange(size, edge)


def test_leaves_cannot_pass_for_nodes() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert root_of([left, right]) != leaf_hash(left + right)
    assert root_of([left, right]) == sha256(b"\x01" + left + right).digest()
