"""Artifacts in a bucket of any S3-speaking server.

    <prefix>/uploads/<random>     what is still arriving
    <prefix>/blobs/ab/ab12...     what has arrived, with its digest also as metadata

S3 publishes an object atomically, so a reader sees a blob whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.artifact_store import (
    CHUNK_BYTES,
    BlobMissing,
    BlobRetained,
    StoreUnavailable,
    checked_digest,
)
from storage.artifacts.byte_ranges import checked_range
from storage.artifacts.download_names import content_disposition, safe_media_type
from storage.artifacts.presigned import SigningCredentials, presigned_get
from storage.artifacts.references import without_reference
from storage.artifacts.s3_location import (
    Lock,
    Retention,
    S3Location,
    client_of,
    is_denied,
    session_of,
    translated,
)
from storage.artifacts.s3_upload import S3Upload

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_BLOB_NAME = re.compile(r"[0-9a-f]{64}")


def _now() -> datetime:
    return datetime.now(UTC)


class S3ArtifactStore:
    """An `ArtifactStore` in `location`, which must exist.

    With `retention` every blob is locked before the `finish` of its upload returns; make such a store with
    `probe.opened`, which refuses where the server would ignore the lock. `now` says from when it counts.
    """

    def __init__(
        self,
        location: S3Location,
        *,
        retention: Retention | None = None,
        now: Callable[[], datetime] = _now,
        scratch: Path | None = None,
    ) -> None:
        """`scratch` is where `local_path` puts its copies; by default the system's temporary directory."""
        self.location = location
        self._retention = retention
        self._now = now
        self._scratch = scratch
        self._session = session_of(location)
        self.client = client_of(self._session, location)
        self._speller = self.client  # spells addresses as downloaders reach the server
        if location.public_endpoint is not None:
            self._speller = client_of(self._session, replace(location, endpoint=location.public_endpoint))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def open_upload(self, *, limit: int) -> S3Upload:
        return S3Upload(self.client, self.location, self._key, limit, self._lock())

    def _lock(self) -> Lock | None:
        if self._retention is None:
            return None
        return Lock(self._retention.mode, self._now() + timedelta(days=self._retention.days))

    def read(self, sha256: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        chunks = self._chunks(sha256, start, end)
        next(chunks)  # sends the request, so that errors come now and not with the first chunk
        return chunks

    def _chunks(self, sha256: str, start: int, end: int | None) -> Iterator[bytes]:
        """First an empty chunk once the server answered, then the bytes. Dropping it ends the transfer."""
        checked_range(start, end)
        key = self._key(sha256)
        wanted: dict[str, Any] = {}
        if start > 0 or end is not None:  # an empty object satisfies no range, not even the whole
            wanted["Range"] = f"bytes={start}-{'' if end is None else end}"
        with translated("reading", sha256):
            answer = self.client.get_object(Bucket=self.location.bucket, Key=key, **wanted)
            with contextlib.closing(answer["Body"]) as body:
                yield b""
                while chunk := body.read(CHUNK_BYTES):
                    yield chunk

    def size(self, sha256: str) -> int:
        return int(self._head(sha256)["ContentLength"])

    def _head(self, sha256: str) -> HeadObjectOutputTypeDef:
        key = self._key(sha256)
        with translated("looking up a blob", sha256):
            return self.client.head_object(Bucket=self.location.bucket, Key=key)

    def digest(self, sha256: str) -> str:
        content = hashlib.sha256()
        for chunk in self.read(sha256):
            content.update(chunk)
        return content.hexdigest()

    def exists(self, sha256: str) -> bool:
        try:
            self._head(sha256)
        except BlobMissing:
            return False
        return True

    def download_url(self, sha256: str, *, filename: str, media_type: str, at: datetime, ttl_seconds: int) -> str:
        """A presigned URL; with temporary credentials it ends with them, if that is earlier."""
        wanted = {
            "Bucket": self.location.bucket,
            "Key": self._key(sha256),
            "ResponseContentDisposition": content_disposition(filename),
            "ResponseContentType": safe_media_type(media_type),
        }
        with translated("spelling an address"):
            url = self._speller.generate_presigned_url("get_object", Params=wanted)
            credentials = self._session.get_credentials()
        if credentials is None:
            raise StoreUnavailable("no S3 credentials were found")
        access_key, secret_key, token = credentials.get_frozen_credentials()[:3]
        signing = SigningCredentials(access_key or "", secret_key or "", token)
        return presigned_get(url, signing, region=self.location.region, at=at, ttl_seconds=ttl_seconds)

    def unreferenced(
        self, referenced: Callable[[Sequence[str]], Collection[str]], *, older_than: datetime
    ) -> Iterator[str]:
        names = (key.rsplit("/", 1)[-1] for key in self._stored_before("blobs/", older_than))
        return without_reference((name for name in names if _BLOB_NAME.fullmatch(name)), referenced)

    def _stored_before(self, folder: str, moment: datetime) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.location.bucket, Prefix=self.location.key(folder)
        )
        with translated("listing the bucket"):
            for page in pages:
                yield from (found["Key"] for found in page.get("Contents", []) if found["LastModified"] < moment)

    def delete(self, sha256: str, *, older_than: datetime | None = None) -> bool:
        """In a versioned bucket without retention the bytes stay as an old version, as its rules say."""
        try:
            stored = self._head(sha256)["LastModified"]
        except BlobMissing:
            return False
        if older_than is not None and stored >= older_than:
            return False
        self._erase(self._key(sha256))
        return True

    def discard_uploads(self, *, older_than: datetime) -> int:
        discarded = 0
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.location.bucket, Prefix=self.location.key("uploads/")
        )
        with translated("collecting uploads"):
            for upload in [found for page in pages for found in page.get("Uploads", [])]:
                if upload["Initiated"] < older_than:
                    discarded += self._ended(upload["Key"], upload["UploadId"])
        for key in list(self._stored_before("uploads/", older_than)):
            with contextlib.suppress(BlobRetained):  # a probe's lock that has not ended yet
                self._erase(key)
                discarded += 1
        return discarded

    def _ended(self, key: str, upload_id: str) -> bool:
        """Aborts the multipart upload; False if it ended by itself meanwhile."""
        try:
            self.client.abort_multipart_upload(Bucket=self.location.bucket, Key=key, UploadId=upload_id)
        except self.client.exceptions.NoSuchUpload:
            return False
        return True

    def _erase(self, key: str) -> None:
        """Deletes the object; under retention every version of it, newest first, if their locks ended."""
        bucket = self.location.bucket
        if self._retention is None:
            with translated("deleting"):
                self.client.delete_object(Bucket=bucket, Key=key)
            return
        with translated("listing versions"):
            versions = [
                found["VersionId"]
                for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
                for found in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                if found["Key"] == key
            ]
        for version in versions:
            try:
                with translated("deleting"):
                    self.client.delete_object(Bucket=bucket, Key=key, VersionId=version)
            except StoreUnavailable as error:
                if is_denied(error.__cause__):
                    raise BlobRetained("its retention has not ended") from error
                raise

    @contextlib.contextmanager
    def local_path(self, sha256: str) -> Iterator[Path]:
        """A private copy, removed when the context ends."""
        with tempfile.TemporaryDirectory(prefix="artifact-", dir=self._scratch) as directory:
            path = Path(directory) / sha256
            chunks = self.read(sha256)
            try:
                with path.open("xb") as copy:
                    copy.writelines(chunks)
            except OSError as error:
                raise StoreUnavailable(f"no room for a copy: {error.strerror}") from error
            yield path

    def _key(self, sha256: str) -> str:
        return self.location.key(f"blobs/{checked_digest(sha256)[:2]}/{sha256}")
