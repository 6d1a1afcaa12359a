"""Judging the checkpoints, and the log against them.

The checkpoint log holds every checkpoint in the order of signing, the checkpoint file the newest. The
sequencer appends to the log first and replaces the file afterwards, so an honest file is the last record of
the log or, if the power went in between, the one before. Sizes rise. A smaller size, two roots for one size,
or a file that the log does not know means that somebody cut or edited the files, or signed two histories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from governance.audit.checkpoint import Checkpoint
from governance.audit.note import Believed, InvalidNoteError
from governance.audit.report import Findings, Kind

NEVER = 2**63
"""`due` when no checkpoint is left: more than a log can hold."""


class Seals:
    """Walks the checkpoints beside the entries: ask `settle` whenever the number of entries reaches `due`."""

    def __init__(self, notes: Iterable[str], newest: str | None, key: Believed, findings: Findings) -> None:
        self._key = key
        self._findings = findings
        self._newest = self._opened(newest, "the checkpoint file") if newest is not None else None
        self._has_file = newest is not None
        self._sequence = self._rising(notes)
        self._pending: Checkpoint | None = None
        self._contradicted = False
        self._unproven: tuple[int, int] | None = None
        self.valid = 0
        self.proven = 0
        self.newest_size = 0
        self.due = NEVER
        self._advance()

    def settle(self, size: int, root: bytes | None) -> None:
        """Compare every checkpoint up to `size` entries; `root` is None when leaves before it are lost."""
        while self._pending is not None and self._pending.size <= size:
            seal = self._pending
            if root is None or seal.size != size:
                first = self._unproven[0] if self._unproven else seal.size
                self._unproven = (first, seal.size)
            elif seal.root == root:
                self.proven = seal.size
            elif not self._contradicted:
                self._contradicted = True
                self._findings.add(
                    Kind.REWRITTEN,
                    f"their Merkle root is not the one signed at {seal.size} entries",
                    self.proven,
                    seal.size - 1,
                )
            self._advance()

    def conclude(self, entries: int) -> None:
        """Read the checkpoints that no entry reached, and say what could not be compared."""
        while self._pending is not None:
            self._advance()
        if self._unproven is not None:
            first, last = self._unproven
            self._findings.add(
                Kind.UNPROVEN,
                f"the checkpoints from {first} to {last} entries cannot be recomputed: entries are lost",
            )
        if entries and not self.newest_size:
            self._findings.add(Kind.UNSEALED, "there is no valid checkpoint, so a cut or rewriting would not show")

    def _advance(self) -> None:
        self._pending = next(self._sequence, None)
        self.due = self._pending.size if self._pending is not None else NEVER

    def _rising(self, notes: Iterable[str]) -> Iterator[Checkpoint]:
        """The valid checkpoints of log and file, by rising size; findings for all that is wrong with them."""
        last: Checkpoint | None = None
        before: Checkpoint | None = None
        for number, note in enumerate(notes, 1):
            checkpoint = self._opened(note, f"checkpoint {number} of the log")
            if checkpoint is None:
                continue
            self.valid += 1
            if last is not None and checkpoint.size <= last.size:
                self._disorder(number, checkpoint, last)
                continue
            before, last = last, checkpoint
            self.newest_size = checkpoint.size
            yield checkpoint
        yield from self._file(last, before)

    def _file(self, last: Checkpoint | None, before: Checkpoint | None) -> Iterator[Checkpoint]:
        """The checkpoint file against the log's last two records; a newer file still seals what it covers."""
        newest = self._newest
        if newest is None:
            if before is not None and not self._has_file:
                self._findings.add(Kind.CHECKPOINT_LOG, "the checkpoint file is missing")
            return
        if last is None or newest.size > last.size:
            self._findings.add(
                Kind.CHECKPOINT_LOG,
                f"the log of checkpoints ends at {last.size if last else 0} entries, "
                f"before the checkpoint file ({newest.size}): it was cut",
            )
            self.newest_size = newest.size
            self.valid += 1
            yield newest
        elif newest not in (last, before):
            self._findings.add(
                Kind.CHECKPOINT_LOG,
                f"the checkpoint file ({newest.size} entries) is not one of the log's last two ({last.size})",
            )

    def _disorder(self, number: int, checkpoint: Checkpoint, last: Checkpoint) -> None:
        if checkpoint.size == last.size and checkpoint.root == last.root:
            message = f"checkpoint {number} of the log repeats the one before"
        elif checkpoint.size == last.size:
            message = f"checkpoint {number} of the log signs another root for {last.size} entries"
        else:
            message = f"checkpoint {number} of the log goes back from {last.size} to {checkpoint.size} entries"
        self._findings.add(Kind.CHECKPOINT_LOG, message)

    def _opened(self, note: str, name: str) -> Checkpoint | None:
        try:
            return Checkpoint.opened(note, self._key)
        except InvalidNoteError as error:
            self._findings.add(Kind.CHECKPOINT, f"{name} is not valid: {error}")
            return None
