"""The port behind which artifacts' bytes live: content-addressed, immutable, read by digest.

A blob is named by the SHA-256 of its bytes and nothing else, so the same content twice is one blob, and a
name that was recorded in an approval can never come to mean other bytes. The store knows no models, versions
or people: which blobs are still wanted is told to it, when garbage is collected.

Every method is synchronous; a caller on an event loop calls it from a thread, one chunk (about 1 MiB) at a
time. Implementations are safe under concurrent use of the store; one `Upload` has one writer at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

CHUNK_BYTES = 1 << 20
"""What a chunk normally measures, both written and read."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What a finished upload became: 64 lower-case hexadecimal digits, and bytes."""

    sha256: str
    size: int


class ArtifactStoreError(Exception):
    """Whatever the store refuses or cannot do; `retryable` when the same call may succeed later."""

    retryable: ClassVar[bool] = False


class StoreUnavailable(ArtifactStoreError):
    """The backend failed: disk full, server unreachable, credentials refused. The call may be repeated."""

    retryable = True


class InvalidDigest(ArtifactStoreError):
    """Not a SHA-256 as 64 lower-case hexadecimal digits."""


class BlobMissing(ArtifactStoreError):
    """No blob has this digest."""


class BlobRetained(ArtifactStoreError):
    """The blob may not be deleted before its retention ends."""


class RangeNotSatisfiable(ArtifactStoreError):
    """The first byte asked for lies behind the blob's end, or behind the last byte asked for."""


class UploadClosed(ArtifactStoreError):
    """The upload was finished, aborted or refused before; it takes nothing more."""


class BlobTooLarge(ArtifactStoreError):
    """More bytes came than the upload's limit allows."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the content is larger than the limit of {limit} bytes")
        self.limit = limit


class SizeMismatch(ArtifactStoreError):
    """Another number of bytes arrived than was announced: usually a connection cut short."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"{expected} bytes were announced, {actual} arrived")
        self.expected = expected
        self.actual = actual


class DigestMismatch(ArtifactStoreError):
    """Other content arrived than was announced."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"the announced content has sha256 {expected}, the one that arrived {actual}")
        self.expected = expected
        self.actual = actual


def checked_digest(sha256: str) -> str:
    """The digest itself, if it is one.

    It becomes part of a path, so this is also what keeps `../` out of the store.

    Raises:
        InvalidDigest: anything but 64 lower-case hexadecimal digits.
    """
    if not _DIGEST.fullmatch(sha256):
        raise InvalidDigest(f"not a sha256 of 64 lower-case hexadecimal digits: {sha256[:80]!r}")
    return sha256


class Upload(Protocol):
    """One upload in flight, in constant memory. Nothing is visible before `finish` returned."""

    def write(self, chunk: bytes) -> None:
        """Takes the next bytes.

        Raises:
            BlobTooLarge: as soon as the limit is passed; the upload is then aborted.
            UploadClosed: after finish, abort or a refusal.
            StoreUnavailable: the upload is then aborted.
        """

    def finish(self, expected_sha256: str | None = None, expected_size: int | None = None) -> StoredBlob:
        """Compares what arrived with what was announced and makes it a blob, durably.

        Once it returned, the blob survives a crash of the machine as far as the backend promises. After a
        crash before that, the blob is either whole or absent.

        Raises:
            SizeMismatch, DigestMismatch, InvalidDigest: refused, nothing is left. UploadClosed: after finish,
            abort or a refusal. StoreUnavailable: send the bytes again. The blob is whole or absent; a whole
            one that nobody refers to
                is collected later.
        """

    def abort(self) -> None:
        """Throws away what arrived; a no-op after finish or abort.

        Never raises: what a failing backend keeps is collected by `ArtifactStore.discard_uploads`.
        """


class ArtifactStore(Protocol):
    """Where artifacts' bytes live. Every method that takes a digest raises InvalidDigest for what is none."""

    def open_upload(self, *, limit: int) -> Upload:
        """Starts an upload of at most `limit` bytes."""

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to and including `end` (the last one if None or behind it), in chunks.

        Errors that can be known before the first byte are raised by the call, not by the first `next`.

        Raises:
            BlobMissing, RangeNotSatisfiable, StoreUnavailable.
        """

    def size(self, sha256: str) -> int:
        """Bytes. Raises BlobMissing."""

    def digest(self, sha256: str) -> str:
        """The SHA-256 of the bytes that are really stored under this name, read again as a whole.

        The integrity gate compares it with the name. Raises BlobMissing.
        """

    def exists(self, sha256: str) -> bool:
        """Whether there is a blob of this name."""

    def download_url(self, sha256: str, *, filename: str, media_type: str, at: datetime, ttl_seconds: int) -> str:
        """An address that lets its bearer GET this blob until `at` + `ttl_seconds`, under that name and type.

        An absolute URL, or path and query when this process's own API serves the download. Whether the blob
        exists is not looked up. `at` is aware; an unfit file name or media type is made harmless, not
        refused.
        """

    def unreferenced(
        self, referenced: Callable[[Sequence[str]], Collection[str]], *, older_than: datetime
    ) -> Iterator[str]:
        """The digests of blobs last stored before `older_than` that nobody refers to.

        `referenced` is asked in batches of some hundreds which of these digests are still wanted.
        """

    def delete(self, sha256: str, *, older_than: datetime | None = None) -> bool:
        """Deletes the blob and answers True; False if there was none.

        With `older_than`, a blob that was stored again at or after that moment is kept, and the answer is
        False. A collector passes the same moment to `unreferenced` and here, some hours ago: a blob uploaded
        again after the listing is then spared, also before its new reference is committed.

        Raises:
            BlobRetained: its retention has not ended.
        """

    def discard_uploads(self, *, older_than: datetime) -> int:
        """Clears away uploads that died half way before `older_than`; answers how many.

        The moment must lie further back than the longest upload takes.
        """

    def local_path(self, sha256: str) -> AbstractContextManager[Path]:
        """A readable file with the blob's bytes, for libraries that need a path. Do not write to it.

        It may be gone when the context ends. Raises BlobMissing.
        """
