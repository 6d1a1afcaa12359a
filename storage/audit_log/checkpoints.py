"""The checkpoint files: `checkpoints.log` with every checkpoint, `checkpoint` with the newest.

A record of the log is a signed note and an empty line. Records are appended and synced before the file is
replaced, so whatever dies in between, the log is never behind the file; at most the file lags by one. Writers
exclude each other by `flock` on the log, which the kernel releases with the process.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.audit_log.durability import sync_directory

LONGEST_RECORD = 64 * 1024
"""Bytes of one record at most, far more than a checkpoint with a hundred witnesses needs."""

_RECORD_END = re.compile(rb"\n\xe2\x80\x94 [^\n]*\n\n")


class CheckpointsBusyError(OSError):
    """Another process is writing checkpoints; trying again soon is right."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files at one moment: the note in `checkpoint` (None: no file) and how far the log reached, in bytes."""

    newest: str | None
    log_bytes: int


class CheckpointFiles:
    """The two files in `directory`, which is made when first written to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "checkpoints.log"
        self._newest = directory / "checkpoint"

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Exclusive access, with whatever a crash left repaired. Raises CheckpointsBusyError, OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new = not self._log.exists()
        with self._log.open("a+b", buffering=0) as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointsBusyError("another process is writing checkpoints") from error
            if new:
                sync_directory(self._directory)
            writer = Writer(log, self._newest)
            writer.repair()
            yield writer

    def snapshot(self) -> Snapshot:
        """Both files as they are between two checkpoints."""
        if not self._log.exists():
            return Snapshot(_read(self._newest), 0)
        with self._log.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_SH)
            return Snapshot(_read(self._newest), os.fstat(log.fileno()).st_size)

    def recent(self) -> list[str]:
        """The last notes of the log, oldest first: those in its last LONGEST_RECORD bytes, whatever they hold."""
        if not self._log.exists():
            return []
        with self._log.open("rb", buffering=0) as log:
            fcntl.flock(log, fcntl.LOCK_SH)
            return Writer(log, self._newest).notes()

    def notes(self, log_bytes: int) -> Iterator[str]:
        """The records of the first `log_bytes` bytes of the log, oldest first, one in memory at a time.

        Whatever stands between two record ends is given as it is: judging it is not done here.
        """
        if not log_bytes:
            return
        with self._log.open("rb") as log:
            record = b""
            while log_bytes > 0 and (line := log.readline(min(log_bytes, LONGEST_RECORD))):
                log_bytes -= len(line)
                if (line == b"\n" and _ends_record(record)) or len(record) > LONGEST_RECORD:
                    yield _text(record)
                    record = b""
                else:
                    record += line
            if record:
                yield _text(record)


class Writer:
    """Appends checkpoints while the lock is held."""

    def __init__(self, log: BinaryIO, newest: Path) -> None:
        self._log = log
        self._newest = newest

    def last_two(self) -> tuple[str | None, str | None]:
        """The last note of the log and the one before. Raises OSError for a log that ends otherwise."""
        notes = self.notes()
        return notes[-1] if notes else None, notes[-2] if len(notes) > 1 else None

    def notes(self) -> list[str]:
        """Those that stand whole in the last LONGEST_RECORD bytes, oldest first. Raises OSError as `last_two`."""
        start, tail = self._tail()
        ends = [match.end() for match in _RECORD_END.finditer(tail)]
        if not ends and (start or tail):
            raise OSError(f"{self._log.name} does not end with a checkpoint")
        begins = ends if start else [0, *ends]
        pairs = zip(reversed(begins[:-1]), reversed(ends), strict=False)
        return [_text(tail[begin : end - 1]) for begin, end in pairs][::-1]

    def newest(self) -> str | None:
        """The note in the checkpoint file."""
        return _read(self._newest)

    def append(self, note: str) -> None:
        """Make `note` the newest checkpoint, durably, in log and file."""
        record = f"{note}\n".encode()
        written = 0
        while written < len(record):
            written += self._log.write(record[written:])
        os.fsync(self._log.fileno())
        self._replace(note)

    def repair(self) -> None:
        """Undo what a crash can leave half done: cut off a torn last record, bring up a file that lags by one.

        A file that the log's end does not explain is left alone: it is evidence.
        """
        start, tail = self._tail()
        end = max((match.end() for match in _RECORD_END.finditer(tail)), default=0)
        if end < len(tail) and len(tail) - end < LONGEST_RECORD // 2:
            self._log.truncate(start + end)
            os.fsync(self._log.fileno())
        last, before = self.last_two()
        if last is not None and self.newest() in (None, before):
            self._replace(last)

    def _replace(self, note: str) -> None:
        draft = self._newest.with_name(".checkpoint.new")
        with draft.open("wb") as file:
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._newest)
        sync_directory(self._newest.parent)

    def _tail(self) -> tuple[int, bytes]:
        """Where the last LONGEST_RECORD bytes of the log start, and they themselves."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - LONGEST_RECORD)
        return start, os.pread(self._log.fileno(), size - start, start)


def _read(path: Path) -> str | None:
    try:
        return _text(path.read_bytes())
    except FileNotFoundError:
        return None


def _ends_record(record: bytes) -> bool:
    """Whether the last line of `record` is a signature, so that an empty line ends it."""
    return record.rpartition(b"\n")[0].rpartition(b"\n")[2].startswith("— ".encode())


def _text(raw: bytes) -> str:
    """Damage must come out as a note that is refused, never as an error while reading."""
    return raw.decode("utf-8", "replace")
