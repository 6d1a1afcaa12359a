"""The chain's bytes, and heads that go on where they stopped."""

from __future__ import annotations

from hashlib import sha256

import pytest

from governance.audit.chain import GENESIS, GENESIS_TEXT, Head, link
from governance.audit.merkle import leaf_hash, root_of

LEAVES = [leaf_hash(bytes([number])) for number in range(20)]


def test_the_first_link_follows_the_documented_genesis() -> None:
    assert sha256(GENESIS_TEXT.encode()).digest() == GENESIS
    assert link(GENESIS, 0, LEAVES[0]) == sha256(GENESIS + bytes(8) + LEAVES[0]).digest()


def test_the_number_is_eight_bytes_as_postgresql_sends_it() -> None:
    assert link(GENESIS, 258, LEAVES[0]) == sha256(GENESIS + b"\0\0\0\0\0\0\x01\x02" + LEAVES[0]).digest()
    assert link(GENESIS, -1, LEAVES[0]) == sha256(GENESIS + b"\xff" * 8 + LEAVES[0]).digest()


@pytest.mark.parametrize("cut", range(len(LEAVES) + 1))
def test_batches_of_any_size_give_the_same_log(cut: int) -> None:
    whole, values = Head.empty().extended(LEAVES)
    first, before = Head.empty().extended(LEAVES[:cut])
    second, after = first.extended(LEAVES[cut:])
    assert second == whole
    assert before + after == values
    assert whole.size == len(LEAVES)
    assert whole.chain == values[-1]
    assert whole.root() == root_of(LEAVES)


def test_a_head_that_contradicts_itself_is_not_continued() -> None:
    with pytest.raises(ValueError, match="right edge"):
        Head(2, GENESIS, ()).extended(LEAVES)
