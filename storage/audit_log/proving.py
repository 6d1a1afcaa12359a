"""Proofs about the stored log against its newest signed checkpoint.

They come from the stored subtrees (`storage.audit_log.tree`), which anybody with rights on the database can edit:
every proof is held against the signed root before it is given out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import EMPTY_ROOT
from governance.audit.note import InvalidNoteError
from governance.audit.proofs import verify_consistency, verify_inclusion
from governance.errors import ChainBroken, Conflict, InvalidInput, NotFound
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.running import believed_notes
from storage.audit_log.tree import IncompleteLogError, Tree, forget
from storage.composition import Platform

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint and the note that carries its signature."""

    checkpoint: Checkpoint
    note: str

    def to_json(self) -> dict[str, Any]:
        found = self.checkpoint
        return {"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": self.note}


def newest_checkpoint(platform: Platform) -> Sealed:
    """Raises NotFound before the first one, ChainBroken for one that none of our keys signed."""
    note = CheckpointFiles(platform.settings.audit_directory).snapshot().newest
    if note is None:
        raise NotFound("checkpoint", "newest")
    try:
        return Sealed(Checkpoint.opened(note, believed_notes(platform)), note)
    except InvalidNoteError as error:
        raise ChainBroken(f"The newest checkpoint is not valid: {error}") from error


def prove_inclusion(platform: Platform, seq: int) -> dict[str, Any]:
    """That entry `seq` is in the log that the newest checkpoint signs (RFC 6962 section 2.1.1).

    Raises Conflict when it is not signed yet, ChainBroken when the stored log is not the one that was signed.
    """
    sealed = newest_checkpoint(platform)
    size = sealed.checkpoint.size
    if seq >= size:
        raise Conflict(
            "No checkpoint covers this entry yet; one follows within a second.", details={"seq": seq, "size": size}
        )

    def prove(tree: Tree) -> dict[str, Any]:
        leaf, path = tree.root(seq, seq + 1), tree.inclusion(seq, size)
        if not verify_inclusion(leaf, seq, size, path, sealed.checkpoint.root):
            raise ChainBroken("The audit log is not the one that was signed.", details={"seq": seq, "size": size})
        return {
            "leaf": leaf.hex(),
            "index": seq,
            "size": size,
            "path": [node.hex() for node in path],
            "checkpoint": sealed.to_json(),
        }

    return _proved(platform, prove)


def prove_consistency(platform: Platform, first: int, second: int | None) -> dict[str, Any]:
    """That the log of `first` entries is the beginning of the one of `second` (RFC 6962 section 2.1.2).

    second None: the size of the newest checkpoint. Raises InvalidInput, ChainBroken.
    """
    sealed = newest_checkpoint(platform)
    size, signed = sealed.checkpoint.size, sealed.checkpoint.root
    end = size if second is None else second
    if not 0 <= first <= end <= size:
        raise InvalidInput(
            f"0 <= first <= second <= {size}, the size of the newest checkpoint.", details={"field": "first"}
        )

    def prove(tree: Tree) -> dict[str, Any]:
        old, new = _root(tree, first), _root(tree, end)
        path = tree.consistency(first, end)
        grown = verify_consistency(first, end, old, new, path)
        if not grown or not verify_consistency(end, size, new, signed, tree.consistency(end, size)):
            raise ChainBroken("The audit log is not the one that was signed.", details={"size": size})
        return {
            "first": first,
            "second": end,
            "firstRoot": old.hex(),
            "secondRoot": new.hex(),
            "path": [node.hex() for node in path],
            "checkpoint": sealed.to_json(),
        }

    return _proved(platform, prove)


def _root(tree: Tree, size: int) -> bytes:
    return tree.root(0, size) if size else EMPTY_ROOT


def _proved(platform: Platform, prove: Callable[[Tree], T]) -> T:
    """When it does not hold, once more without the stored subtrees: these may be those of a log before a restore."""
    with psycopg.connect(platform.settings.database_url, connect_timeout=5) as connection:
        try:
            return _told(connection, prove)
        except ChainBroken:
            forget(connection)
            return _told(connection, prove)


def _told(connection: psycopg.Connection[Any], prove: Callable[[Tree], T]) -> T:
    try:
        return prove(Tree(connection))
    except IncompleteLogError as error:
        raise ChainBroken(f"The audit log is shorter than what was signed: {error}.") from error
