"""Signing the log's Merkle root, never against an older signature.

C2SP tlog-checkpoint: a log must not sign a checkpoint that is inconsistent with one it signed before. While
one writer leads, each head extends the last by construction. Whoever takes over checks: the same size must
have the same root; when the log had grown beyond the last checkpoint (its signer died in between), the leaves
are read once more and both roots recomputed from them, about a second for a million entries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.chain import Head
from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import CompactRange
from governance.audit.note import InvalidNoteError, VerifierKey
from governance.signing import Signer
from storage.audit_log.checkpoints import CheckpointFiles, Writer
from storage.audit_log.ledger import BrokenHistoryError, Ledger


class LeadershipLostError(Exception):
    """Somebody else signed a checkpoint meanwhile."""


class NoteKeys(Protocol):
    """The keys of a log at the moment of the call, so that a rotation is seen without a restart."""

    @property
    def log(self) -> str:
        """The log's name, which every key bears."""

    def signers(self) -> Sequence[Ed25519PrivateKey | Signer]:
        """Those that sign a checkpoint now: more than one while one follows the other."""

    def believed(self) -> Sequence[VerifierKey]:
        """Those whose checkpoints count."""


class OneKey:
    """A log that has had one key since it began."""

    def __init__(self, private: Ed25519PrivateKey, name: str) -> None:
        self.log = name
        self._private = private
        self._public = VerifierKey(name, private.public_key())

    def signers(self) -> tuple[Ed25519PrivateKey]:
        return (self._private,)

    def believed(self) -> tuple[VerifierKey]:
        return (self._public,)


class Sealer:
    """Writes the checkpoints of one leadership. `sealed` is the size that the newest covers."""

    def __init__(
        self,
        files: CheckpointFiles,
        keys: NoteKeys,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._keys = keys
        self._interval = interval
        self._clock = clock
        self._last_note: str | None = None
        self._attempted: tuple[str, int] = ("", 0)
        self._not_before = 0.0
        self.sealed = 0

    def resume(self, ledger: Ledger) -> None:
        """Go on from the last checkpoint. Raises BrokenHistoryError if the log does not extend it."""
        with self._files.writing() as writer:
            last = self._opened_last(writer)
        if last is None:
            return
        head = ledger.head
        if head.size < last.size:
            raise BrokenHistoryError(
                f"the audit log has {head.size} entries, but {last.size} were signed: it was cut or restored"
            )
        if head.size == last.size:
            if head.root() != last.root:
                raise BrokenHistoryError(f"the audit log's root at {last.size} entries is not the signed one")
        else:
            _check_extension(ledger, last)
        self.sealed = last.size

    def wait(self, head: Head) -> float:
        """Seconds until the next checkpoint may be written, infinite while there is nothing to sign."""
        if head.size <= self.sealed:
            return float("inf")
        return max(0.0, self._not_before - self._clock())

    def seal(self, head: Head) -> None:
        """Sign `head`, which extends what was sealed before.

        Raises LeadershipLostError when another process has signed since, OSError when the files cannot be
        written, DependencyUnavailable when the key cannot be reached; then it may be tried again after `wait`.
        """
        if head.size <= self.sealed:
            return
        self._not_before = self._clock() + self._interval
        with self._files.writing() as writer:
            last, _ = writer.last_two()
            if last == self._attempted[0]:
                # The last attempt reached the log although it failed later, e.g. on a full disk.
                self._last_note, self.sealed = self._attempted
            elif last != self._last_note:
                raise LeadershipLostError("another process has signed a checkpoint since")
            if head.size > self.sealed:
                note = Checkpoint(self._keys.log, head.size, head.root()).signed(*self._keys.signers())
                self._attempted = (note, head.size)
                writer.append(note)
                self._last_note, self.sealed = self._attempted

    def _opened_last(self, writer: Writer) -> Checkpoint | None:
        last, _ = writer.last_two()
        newest = writer.newest()
        if newest != last:
            raise BrokenHistoryError("the checkpoint file is not the last of the checkpoint log")
        self._last_note = last
        if last is None:
            return None
        try:
            return Checkpoint.opened(last, self._keys.believed())
        except InvalidNoteError as error:
            raise BrokenHistoryError(f"the last checkpoint is not by our key: {error}") from error


def _check_extension(ledger: Ledger, last: Checkpoint) -> None:
    leaves = ledger.leaves()
    tree = CompactRange()
    for leaf in islice(leaves, last.size):
        tree.append(leaf)
    if tree.size != last.size or tree.root() != last.root:
        raise BrokenHistoryError(f"the first {last.size} entries of the audit log are not the signed ones")
    for leaf in leaves:
        tree.append(leaf)
    if tree.size != ledger.head.size or tree.frontier != ledger.head.frontier:
        raise BrokenHistoryError("the stored head of the audit log is not that of its entries")
