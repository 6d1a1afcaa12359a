"""Small state files, written so that a crash leaves the old one or the new one; and the lock between
starters.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.postgres_server.server import PostgresUnavailable


def make_directory(directory: Path) -> None:
    """Make a directory of the caller's own: 0700; when root makes it others may pass (0711), never list or
    read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write(path: Path, text: str) -> None:
    """Replace `path` by `text` atomically and durably, readable by the caller alone (0600)."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, *, patience_seconds: float) -> Iterator[None]:
    """Hold the lock on `path`, against threads and processes; it falls with its holder, however that one
    dies.

    Unlocked explicitly: a child forked meanwhile by another thread shares the descriptor and must not keep
    the lock. Raises PostgresUnavailable when another holder keeps it longer than `patience_seconds`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + patience_seconds)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise PostgresUnavailable(
                    "Another process has been starting or stopping this database for too long; it holds "
                    f"{path}. End that process and try again."
                ) from None
            time.sleep(0.02)
        else:
            return
