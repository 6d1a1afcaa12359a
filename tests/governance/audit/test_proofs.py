"""Proofs equal the recursive definition, convince the verifier, and nothing else does."""

from __future__ import annotations

from itertools import pairwise

import pytest

from governance.audit.merkle import EMPTY_ROOT, leaf_hash, root_of
from governance.audit.proofs import (
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from tests.governance.audit import certificate_transparency as published
from tests.governance.audit import recursion

DATA = [str(number).encode() for number in range(34)]
LEAVES = [leaf_hash(item) for item in DATA]
ROOTS = [root_of(LEAVES[:size]) for size in range(len(LEAVES) + 1)]


def test_published_audit_paths() -> None:
    leaves = [leaf_hash(leaf) for leaf in published.LEAVES]
    for (index, size), expected in published.INCLUSION.items():
        proof = inclusion_proof(leaves, index, size)
        assert [node.hex() for node in proof] == expected
        assert verify_inclusion(leaves[index], index, size, proof, bytes.fromhex(published.ROOTS[size]))


def test_published_consistency_proofs() -> None:
    leaves = [leaf_hash(leaf) for leaf in published.LEAVES]
    for (first, second), expected in published.CONSISTENCY.items():
        proof = consistency_proof(leaves, first, second)
        assert [node.hex() for node in proof] == expected
        older, newer = (bytes.fromhex(published.ROOTS[size]) for size in (first, second))
        assert verify_consistency(first, second, older, newer, proof)


def test_every_audit_path_equals_the_definition_and_convinces() -> None:
    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            proof = inclusion_proof(LEAVES, index, size)
            assert proof == recursion.path(index, DATA[:size])
            assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_consistency_proof_equals_the_definition_and_convinces() -> None:
    for second in range(1, len(LEAVES) + 1):
        for first in range(1, second + 1):
            proof = consistency_proof(LEAVES, first, second)
            assert proof == recursion.consistency(first, DATA[:second])
            assert verify_consistency(first, second, ROOTS[first], ROOTS[second], proof)


def mangled(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that are almost `proof`."""
    flipped = [
        [*proof[:place], bytes([node[0] ^ 1, *node[1:]]), *proof[place + 1 :]] for place, node in enumerate(proof)
    ]
    longer = [[*proof, LEAVES[0]], [LEAVES[0], *proof]]
    shorter = [proof[1:], proof[:-1]] if proof else []
    swapped = [
        [*proof[:place], second, first, *proof[place + 2 :]] for place, (first, second) in enumerate(pairwise(proof))
    ]
    return [*flipped, *longer, *shorter, *swapped]


def test_no_other_audit_path_convinces() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof, root = inclusion_proof(LEAVES, index, size), ROOTS[size]
            assert not any(verify_inclusion(LEAVES[index], index, size, bad, root) for bad in mangled(proof))
            assert not verify_inclusion(LEAVES[index + 1], index, size, proof, root)
            assert not verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size + 1])
            assert not verify_inclusion(LEAVES[index], index + 1, size, proof, root)
            assert not verify_inclusion(LEAVES[index], -1, size, proof, root)
            assert not verify_inclusion(LEAVES[index], size, size, proof, root)


def test_no_other_consistency_proof_convinces() -> None:
    for second in range(1, 20):
        for first in range(1, second + 1):
            proof = consistency_proof(LEAVES, first, second)
            older, newer = ROOTS[first], ROOTS[second]
            assert not any(verify_consistency(first, second, older, newer, bad) for bad in mangled(proof))
            assert not verify_consistency(first, second, ROOTS[first - 1], newer, proof)
            assert not verify_consistency(first, second, older, ROOTS[second + 1], proof)
            assert not verify_consistency(second + 1, first, older, newer, proof)


def test_a_proof_that_ends_below_the_claimed_root_does_not_convince() -> None:
    """The root of a small tree must not pass for the root of a taller one."""
    for claimed in range(3, len(LEAVES) + 1):
        assert not verify_inclusion(LEAVES[0], 0, claimed, inclusion_proof(LEAVES, 0, 2), ROOTS[2])
    for claimed in range(5, len(LEAVES) + 1):
        assert not verify_consistency(2, claimed, ROOTS[2], ROOTS[4], consistency_proof(LEAVES, 2, 4))


def test_the_empty_tree_is_a_prefix_of_every_tree() -> None:
    assert consistency_proof(LEAVES, 0, 5) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    assert not verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [ROOTS[1]])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3), (0, len(LEAVES) + 1)])
def test_audit_paths_out_of_range_are_refused(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not among"):
        inclusion_proof(LEAVES, index, size)


@pytest.mark.parametrize(("first", "second"), [(4, 3), (-1, 3), (0, len(LEAVES) + 1)])
def test_consistency_proofs_out_of_range_are_refused(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="do not lie"):
        consistency_proof(LEAVES, first, second)
