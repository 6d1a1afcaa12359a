"""One upload into the local store: a private file that becomes a blob by rename."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from governance.artifact_store import StoredBlob, StoreUnavailable
from storage.artifacts.intake import Intake

_log = logging.getLogger(__name__)


class LocalUpload:
    """An `Upload` into `uploads`; `destination` names the blob's path for a digest.

    The file stays locked while it arrives, so a collector tells an upload that is slow from one whose process
    died.
    """

    def __init__(self, uploads: Path, destination: Callable[[str], Path], limit: int) -> None:
        self._intake = Intake(limit)
        self._destination = destination
        self._part = uploads / f"{secrets.token_hex(16)}.part"
        try:
            self._file = open(self._part, "xb", buffering=0, opener=_private)  # noqa: SIM115 - closed by finish or abort
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreUnavailable(f"an upload cannot begin: {error.strerror}") from error

    def write(self, chunk: bytes) -> None:
        with self._aborted_on_error():
            self._intake.take(chunk)
            remaining = memoryview(chunk)
            while remaining:  # the kernel may take less than it was given
                remaining = remaining[self._file.write(remaining) :]

    def finish(self, expected_sha256: str | None = None, expected_size: int | None = None) -> StoredBlob:
        with self._aborted_on_error():
            blob = self._intake.judged(expected_sha256, expected_size)
            os.fchmod(self._file.fileno(), 0o400)
            os.utime(self._file.fileno())  # a collector counts the blob's age from here
            os.fsync(self._file.fileno())
            self._publish(self._destination(blob.sha256))
            self._close()
        return blob

    def _publish(self, path: Path) -> None:
        """Renames also where the blob exists: same bytes, but its age starts anew and damage is healed."""
        with locked(path.parent) as shard:
            self._part.replace(path)
            fcntl.flock(shard, fcntl.LOCK_UN)  # others need not wait for the disk
            os.fsync(shard)

    def abort(self) -> None:
        if not self._intake.open:
            return
        try:
            self._part.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an aborted upload stays until it is collected: %s", error)
        self._close()

    def _close(self) -> None:
        self._intake.open = False
        self._file.close()

    @contextlib.contextmanager
    def _aborted_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.abort()
            raise StoreUnavailable(f"the upload could not be stored: {error.strerror}") from error
        except BaseException:
            self.abort()
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Holds the directory's lock against every other holder, thread or process; yields its descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
