"""Artifacts in a directory of this machine.

    <root>/uploads/<random>.part    what is still arriving: 0600, locked by its writer
    <root>/blobs/ab/ab12...         what has arrived: 0400, never written again

A blob appears by rename, after its bytes were synced and before its directory is: a crash at any point leaves
it whole or absent. Immutability is the application's: whoever is root, or this user, on the machine can still
change the file, which the integrity gate (`digest`) then finds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from governance.artifact_store import (
    CHUNK_BYTES,
    BlobMissing,
    StoreUnavailable,
    checked_digest,
)
from storage.artifacts.byte_ranges import resolved
from storage.artifacts.local_upload import LocalUpload, locked
from storage.artifacts.references import without_reference
from storage.artifacts.signed_urls import sign

_BLOB_NAME = re.compile(r"[0-9a-f]{64}")
_SHARDS = tuple(f"{first_byte:02x}" for first_byte in range(256))


class LocalArtifactStore:
    """An `ArtifactStore` below `root`, which several processes of this machine may share."""

    def __init__(self, root: Path, *, url_path: str, signing_key: bytes) -> None:
        """Makes the directories where they are missing.

        `url_path` is where the API serves downloads, such as `/api/v1/blobs`; it verifies addresses with the
        same key of at least 32 bytes (`signed_urls.verify`).
        """
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._url_path = url_path.rstrip("/")
        self._signing_key = signing_key
        with _backend_errors():
            _make_directories(root, self._uploads, self._blobs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._blobs.parent)!r})"

    def open_upload(self, *, limit: int) -> LocalUpload:
        return LocalUpload(self._uploads, self._path, limit)

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        chunks = self._chunks(self._path(sha256), start, end)
        next(chunks)  # opens the file, so that errors come now and not with the first chunk
        return chunks

    def _chunks(self, path: Path, start: int, end: int | None) -> Iterator[bytes]:
        """First an empty chunk once the file is open, then the range. Dropping the generator closes it."""
        with _backend_errors(path), path.open("rb", buffering=0) as blob:
            offset, remaining = resolved(start, end, os.fstat(blob.fileno()).st_size)
            blob.seek(offset)
            yield b""
            while remaining > 0:
                chunk = blob.read(min(CHUNK_BYTES, remaining))
                if not chunk:
                    raise StoreUnavailable(f"{path.name} became shorter while it was read")
                remaining -= len(chunk)
                yield chunk

    def size(self, sha256: str) -> int:
        path = self._path(sha256)
        with _backend_errors(path):
            return path.stat().st_size

    def digest(self, sha256: str) -> str:
        path = self._path(sha256)
        with _backend_errors(path), path.open("rb") as blob:
            return hashlib.file_digest(blob, "sha256").hexdigest()

    def exists(self, sha256: str) -> bool:
        try:
            self.size(sha256)
        except BlobMissing:
            return False
        return True

    def download_url(self, sha256: str, *, filename: str, media_type: str, at: datetime, ttl_seconds: int) -> str:
        return sign(
            "GET",
            f"{self._url_path}/{checked_digest(sha256)}",
            filename=filename,
            media_type=media_type,
            key=self._signing_key,
            at=at,
            ttl_seconds=ttl_seconds,
        )

    def unreferenced(
        self, referenced: Callable[[Sequence[str]], Collection[str]], *, older_than: datetime
    ) -> Iterator[str]:
        return without_reference(self._stored_before(older_than.timestamp()), referenced)

    def _stored_before(self, moment: float) -> Iterator[str]:
        with _backend_errors():
            for shard in (self._blobs / name for name in _SHARDS):
                with os.scandir(shard) as entries:
                    names = [entry.name for entry in entries if _BLOB_NAME.fullmatch(entry.name)]
                for name in sorted(names):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        if (shard / name).stat().st_mtime < moment:
                            yield name

    def delete(self, sha256: str, *, older_than: datetime | None = None) -> bool:
        path = self._path(sha256)
        # An upload of the same content renames under the same lock, so no fresh blob is deleted for an old
        # one.
        with _backend_errors(), locked(path.parent):
            try:
                if older_than is not None and path.stat().st_mtime >= older_than.timestamp():
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def discard_uploads(self, *, older_than: datetime) -> int:
        with _backend_errors():
            return sum(_discarded(part, older_than.timestamp()) for part in sorted(self._uploads.iterdir()))

    @contextlib.contextmanager
    def local_path(self, sha256: str) -> Iterator[Path]:
        self.size(sha256)
        yield self._path(sha256)

    def _path(self, sha256: str) -> Path:
        return self._blobs / checked_digest(sha256)[:2] / sha256


def _make_directories(root: Path, uploads: Path, blobs: Path) -> None:
    """All 256 shards at once, synced: a later upload then has only its own shard to sync."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for directory in (uploads, blobs, *(blobs / name for name in _SHARDS)):
        directory.mkdir(mode=0o700, exist_ok=True)
    for directory in (blobs, root):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _discarded(part: Path, moment: float) -> bool:
    """Unlinks the upload if it is old and no living process holds it; whether it did."""
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(descriptor).st_mtime >= moment:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextlib.contextmanager
def _backend_errors(blob: Path | None = None) -> Iterator[None]:
    """Turns the system's refusals into the port's; a missing file is a missing blob where one is named."""
    try:
        yield
    except FileNotFoundError as error:
        if blob is not None:
            raise BlobMissing(f"no blob {blob.name}") from error
        raise StoreUnavailable(f"the local artifact store: {error.strerror}") from error
    except OSError as error:
        raise StoreUnavailable(f"the local artifact store: {error.strerror}") from error
