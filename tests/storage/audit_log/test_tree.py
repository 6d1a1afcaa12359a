"""Proofs out of stored subtrees are those that RFC 6962 defines over the leaves."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest

from governance.audit.merkle import leaf_hash, root_of
from governance.audit.proofs import consistency_proof, inclusion_proof
from storage.audit_log import tree
from storage.audit_log.tree import IncompleteLogError, Tree, consistency, extend, forget, inclusion
from tests.storage.audit_log.platform import AuditedPlatform, eventually, running

SIZE = 1_300
LEAVES = [leaf_hash(str(number).encode()) for number in range(SIZE)]
TABLE = """create table audit_tree (level smallint not null, position bigint not null, hash bytea not null,
    primary key (level, position))"""


@pytest.fixture
def connection(platform: AuditedPlatform) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A log of SIZE entries, of which only numbers and leaves matter here."""
    with psycopg.connect(platform.dsn) as connection:
        connection.execute(TABLE)
        with connection.cursor().copy("copy audit_entries (seq, entry, leaf, mac, chain) from stdin") as copy:
            for seq, leaf in enumerate(LEAVES):
                copy.write_row((seq, str(seq), leaf, b"", b""))
        yield connection


def stored(connection: psycopg.Connection[tuple[object, ...]]) -> dict[object, object]:
    return dict(connection.execute("select level, count(*) from audit_tree group by level").fetchall())  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [8, 2], ids=["as it is", "with small tiles, for several levels"])
@pytest.mark.parametrize("known", [0, 300, SIZE], ids=["nothing stored", "some stored", "all stored"])
def test_proofs_are_those_over_the_leaves(
    connection: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, step: int, known: int
) -> None:
    monkeypatch.setattr(tree, "STEP", step)
    monkeypatch.setattr(tree, "WIDTH", 2**step)
    extend(connection, known)
    dice = random.Random(step * 1000 + known)
    shared = Tree(connection)
    for size in (1, 2, 255, 256, 257, 512, 1_023, 1_024, SIZE, dice.randrange(1, SIZE)):
        assert shared.root(0, size) == root_of(LEAVES[:size])
        for seq in {0, size - 1, *(dice.randrange(size) for _ in range(5))}:
            assert inclusion(connection, seq, size) == inclusion_proof(LEAVES, seq, size)
            assert shared.inclusion(seq, size) == inclusion_proof(LEAVES, seq, size)
        for first in {0, 1, size, *(dice.randrange(size) for _ in range(5))}:
            assert consistency(connection, first, size) == consistency_proof(LEAVES, first, size)


def test_extending_in_steps_and_again_gives_the_same(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    extend(connection, 255)
    assert stored(connection) == {}
    extend(connection, SIZE, at_most=512)
    assert stored(connection) == {8: 2}
    extend(connection, SIZE, at_most=1)
    assert stored(connection) == {8: 3}
    extend(connection, SIZE)
    extend(connection, SIZE)
    assert stored(connection) == {8: SIZE // 256}
    assert Tree(connection).root(0, 1_024) == root_of(LEAVES[:1_024])
    forget(connection)
    assert stored(connection) == {}


def test_what_is_not_there_is_said(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    for wrong in ((-1, 10), (10, 10), (11, 10)):
        with pytest.raises(ValueError, match="leaf"):
            inclusion(connection, *wrong)
    with pytest.raises(ValueError, match="size"):
        consistency(connection, 11, 10)
    with pytest.raises(IncompleteLogError):
        inclusion(connection, 0, SIZE + 1)
    with pytest.raises(IncompleteLogError):
        extend(connection, SIZE + 256)


def test_reading_a_proof_takes_few_rows(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    extend(connection, SIZE)
    found = Tree(connection)
    found.inclusion(1_299, SIZE)
    assert sum(len(tile) for tile in found._tiles.values()) <= 2 * 256 + 8


def test_the_sequencer_stores_subtrees_beside_its_work(
    platform: AuditedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.audit_log.sequencer.TREE_ROWS", 256)
    with psycopg.connect(platform.dsn, autocommit=True) as connection:
        connection.execute(TABLE)
        platform.record(600)
        with running(platform.sequencer()):
            eventually(lambda: stored(connection) == {8: 2})
        assert platform.verify().ok
