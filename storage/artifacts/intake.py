"""What every upload does with passing bytes, whatever the backend: count, hash, compare."""

from __future__ import annotations

import hashlib

from governance.artifact_store import (
    BlobTooLarge,
    DigestMismatch,
    SizeMismatch,
    StoredBlob,
    UploadClosed,
    checked_digest,
)


class Intake:
    """Counts and hashes one upload; refuses a byte over the limit and any use after the end."""

    def __init__(self, limit: int) -> None:
        if limit < 0:
            raise ValueError(f"a limit is a number of bytes, not {limit}")
        self._limit = limit
        self._size = 0
        self._hash = hashlib.sha256()
        self.open = True

    def take(self, chunk: bytes) -> None:
        """Raises UploadClosed, or BlobTooLarge before the chunk is counted."""
        if not self.open:
            raise UploadClosed("this upload has ended")
        if self._size + len(chunk) > self._limit:
            raise BlobTooLarge(self._limit)
        self._size += len(chunk)
        self._hash.update(chunk)

    def judged(self, expected_sha256: str | None, expected_size: int | None) -> StoredBlob:
        """What arrived, if it is what was announced. Raises as `Upload.finish` does."""
        if not self.open:
            raise UploadClosed("this upload has ended")
        if expected_sha256 is not None:
            checked_digest(expected_sha256)
        if expected_size is not None and expected_size != self._size:
            raise SizeMismatch(expected_size, self._size)
        arrived = self._hash.hexdigest()
        if expected_sha256 is not None and expected_sha256 != arrived:
            raise DigestMismatch(expected_sha256, arrived)
        return StoredBlob(arrived, self._size)
