"""Audit paths and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2) and how a stranger checks them.

Proofs are made from the leaf hashes; checking needs only the proof and one or two roots, in the iterative
form of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from governance.audit.merkle import EMPTY_ROOT, CompactRange, node_hash


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """PATH(index, D[0:size]): sibling hashes from the leaf upwards. Raises ValueError out of range."""
    if size > len(leaves):
        raise ValueError(f"leaf {index} is not among the first {size} of {len(leaves)}")
    return inclusion_path(index, size, lambda low, high: _root(leaves, low, high))


def inclusion_path(index: int, size: int, root: Callable[[int, int], bytes]) -> list[bytes]:
    """The same from whatever knows the root over the leaves from `low` to `high` (exclusive)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among the first {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _left_part(high - low)
        if index < middle:
            path.append(root(middle, high))
            high = middle
        else:
            path.append(root(low, middle))
            low = middle
    path.reverse()
    return path


def consistency_proof(leaves: Sequence[bytes], first: int, second: int) -> list[bytes]:
    """PROOF(first, D[0:second]): that the tree of `first` leaves is a prefix of the one of `second`.

    Empty for equal sizes and for `first` = 0 (the empty tree is a prefix of every tree). Raises ValueError
    otherwise out of range.
    """
    if second > len(leaves):
        raise ValueError(f"sizes {first} and {second} do not lie within {len(leaves)} leaves")
    return consistency_path(first, second, lambda low, high: _root(leaves, low, high))


def consistency_path(first: int, second: int, root: Callable[[int, int], bytes]) -> list[bytes]:
    """The same from whatever knows the root over the leaves from `low` to `high` (exclusive)."""
    if not 0 <= first <= second:
        raise ValueError(f"sizes {first} and {second} do not lie in this order")
    if first in (0, second):
        return []
    path: list[bytes] = []
    low, high, whole = 0, second, True
    while first != high:
        middle = low + _left_part(high - low)
        if first <= middle:
            path.append(root(middle, high))
            high = middle
        else:
            path.append(root(low, middle))
            low, whole = middle, False
    if not whole:
        path.append(root(low, high))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from `leaf` at `index` to `root` of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that tree (`first`, `first_root`) is a prefix of (`second`, `second_root`)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    # A `first` that is a power of two is a node of the larger tree, so the proof does not repeat its root.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and older == first_root and newer == second_root


def _left_part(width: int) -> int:
    """The largest power of two smaller than `width` (>= 2): how RFC 6962 splits a tree."""
    return int(1 << (width - 1).bit_length() - 1)


def _root(leaves: Sequence[bytes], low: int, high: int) -> bytes:
    tree = CompactRange()
    for leaf in islice(leaves, low, high):
        tree.append(leaf)
    return tree.root()
