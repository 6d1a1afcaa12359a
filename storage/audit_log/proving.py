"""Proofs about the stored log against its newest signed checkpoint.

The hashes come from `leaves`, read in order; who has subtree hashes at hand puts another source there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import psycopg

from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import CompactRange
from governance.audit.note import InvalidNoteError
from governance.audit.proofs import consistency_proof, inclusion_proof, verify_inclusion
from governance.errors import ChainBroken, Conflict, InvalidInput, NotFound
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.running import verifier_key_of
from storage.composition import Platform

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint and the note that carries its signature."""

    checkpoint: Checkpoint
    note: str

    def to_json(self) -> dict[str, Any]:
        found = self.checkpoint
        return {"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": self.note}


def newest_checkpoint(platform: Platform) -> Sealed:
    """Raises NotFound before the first one, ChainBroken for one that our key did not sign."""
    note = CheckpointFiles(platform.settings.audit_directory).snapshot().newest
    if note is None:
        raise NotFound("checkpoint", "newest")
    try:
        return Sealed(Checkpoint.opened(note, verifier_key_of(platform)), note)
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
    with _one_at_a_time:
        hashes = leaves(platform, size)
        _check_size(hashes, size)
        path = inclusion_proof(hashes, seq, size)
    if not verify_inclusion(hashes[seq], seq, size, path, sealed.checkpoint.root):
        raise ChainBroken("The audit log is not the one that was signed.", details={"seq": seq, "size": size})
    return {
        "leaf": hashes[seq].hex(),
        "index": seq,
        "size": size,
        "path": [node.hex() for node in path],
        "checkpoint": sealed.to_json(),
    }


def prove_consistency(platform: Platform, first: int, second: int | None) -> dict[str, Any]:
    """That the log of `first` entries is the beginning of the one of `second` (RFC 6962 section 2.1.2).

    second None: the size of the newest checkpoint. Raises InvalidInput, ChainBroken.
    """
    sealed = newest_checkpoint(platform)
    size = sealed.checkpoint.size
    end = size if second is None else second
    if not 0 <= first <= end <= size:
        raise InvalidInput(
            f"0 <= first <= second <= {size}, the size of the newest checkpoint.", details={"field": "first"}
        )
    with _one_at_a_time:
        hashes = leaves(platform, size)
        _check_size(hashes, size)
        tree, roots = CompactRange(), {0: CompactRange().root()}
        for number, leaf in enumerate(hashes, 1):
            tree.append(leaf)
            if number in (first, end):
                roots[number] = tree.root()
        path = consistency_proof(hashes, first, end)
    if tree.root() != sealed.checkpoint.root:
        raise ChainBroken("The audit log is not the one that was signed.", details={"size": size})
    return {
        "first": first,
        "second": end,
        "firstRoot": roots[first].hex(),
        "secondRoot": roots[end].hex(),
        "path": [node.hex() for node in path],
        "checkpoint": sealed.to_json(),
    }


def leaves(platform: Platform, size: int) -> list[bytes]:
    """The first `size` leaf hashes: about 80 bytes of memory and a microsecond each."""
    with (
        psycopg.connect(platform.settings.database_url, connect_timeout=5) as connection,
        connection.cursor("leaves", binary=True) as cursor,
    ):
        cursor.itersize = 10_000
        cursor.execute("select leaf from audit_entries where seq < %s order by seq", (size,))
        return [leaf for (leaf,) in cursor]


def _check_size(hashes: list[bytes], size: int) -> None:
    if len(hashes) != size:
        raise ChainBroken("The audit log is shorter than what was signed.", details={"size": size})
