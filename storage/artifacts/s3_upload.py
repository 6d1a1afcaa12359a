"""One upload into a bucket: parts in constant memory, published by a copy that the server makes.

The digest, and so the final key, is known only at the end. Content that fits into one part waits in memory
and is then put under its final key in one atomic request. Anything larger goes as a multipart upload to
`uploads/<random>`, is completed there, copied by the server to its final key, and removed. A crash leaves an
unfinished multipart upload or an object below `uploads/`; both are collected.
"""

from __future__ import annotations

import contextlib
import io
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from governance.artifact_store import StoredBlob
from storage.artifacts.intake import Intake
from storage.artifacts.s3_location import Lock, S3Location, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_log = logging.getLogger(__name__)

FIRST_PART_BYTES = 8 << 20
SINGLE_COPY_BYTES = 5 << 30
"""What one CopyObject takes; boto3 copies anything larger in parts."""


def part_bytes(number: int, max_parts: int) -> int:
    """Size of part `number` (from 1): 8 MiB, doubling after every tenth of the parts that the server allows.

    With 10,000 parts the first 7.8 GiB need no more than 8 MiB of memory, and 7.8 TiB fit; with 1,000 parts
    780 MiB and 799 GiB.
    """
    return FIRST_PART_BYTES << ((number - 1) // max(1, max_parts // 10))


class S3Upload:
    """An `Upload` into `location`. `lock` is put on the blob, where it is to be retained."""

    def __init__(
        self,
        client: S3Client,
        location: S3Location,
        destination: Callable[[str], str],
        limit: int,
        lock: Lock | None,
    ) -> None:
        self._client = client
        self._bucket = location.bucket
        self._max_parts = location.max_parts
        self._waiting = location.key(f"uploads/{secrets.token_hex(16)}")
        self._destination = destination
        self._intake = Intake(limit)
        self._lock = lock
        self._buffer = io.BytesIO()
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._completing = False
        self._completed = False
        self._version: dict[str, Any] = {}  # of the waiting object, where the bucket keeps versions

    def write(self, chunk: bytes) -> None:
        with self._aborted_on_error():
            self._intake.take(chunk)
            remaining = memoryview(chunk)
            while remaining:
                free = part_bytes(len(self._parts) + 1, self._max_parts) - self._buffer.tell()
                if free == 0:  # only now is it certain that this part is not the last one
                    self._send_part()
                    continue
                self._buffer.write(remaining[:free])
                remaining = remaining[free:]

    def finish(self, expected_sha256: str | None = None, expected_size: int | None = None) -> StoredBlob:
        with self._aborted_on_error():
            blob = self._intake.judged(expected_sha256, expected_size)
            if self._upload_id is None:
                self._put(blob)
            else:
                self._complete()
                self._copy(blob)
            self._intake.open = False
        self._clear()
        return blob

    def abort(self) -> None:
        if self._intake.open:
            self._intake.open = False
            self._clear()

    def _send_part(self) -> None:
        self._buffer.seek(0)
        with translated("a part of an upload"):
            if self._upload_id is None:
                begun = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._waiting)
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(
                Bucket=self._bucket,
                Key=self._waiting,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=self._buffer,
            )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})
        self._buffer = io.BytesIO()

    def _put(self, blob: StoredBlob) -> None:
        self._buffer.seek(0)
        with translated("an upload"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._destination(blob.sha256),
                Body=self._buffer,
                Metadata={"sha256": blob.sha256},
                **(self._lock.headers() if self._lock else {}),
            )

    def _complete(self) -> None:
        self._send_part()
        self._completing = True
        with translated("completing an upload"):
            done = self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._waiting,
                UploadId=self._upload_id or "",
                MultipartUpload={"Parts": self._parts},
            )
        self._completed = True
        if "VersionId" in done:
            self._version["VersionId"] = done["VersionId"]

    def _copy(self, blob: StoredBlob) -> None:
        """Copies also where the blob exists already: its age, and a retention, start anew.

        The lock follows in a request of its own, because not every server takes one with a copy. A crash
        between leaves a blob without a lock that nobody was told of; the same upload again locks it.
        """
        from boto3.s3.transfer import TransferConfig

        single = TransferConfig(multipart_threshold=SINGLE_COPY_BYTES, multipart_chunksize=1 << 30, use_threads=False)
        key = self._destination(blob.sha256)
        with translated("publishing an upload"):
            self._client.copy(
                {"Bucket": self._bucket, "Key": self._waiting},
                self._bucket,
                key,
                ExtraArgs={"MetadataDirective": "REPLACE", "Metadata": {"sha256": blob.sha256}},
                Config=single,
            )
            if self._lock:
                self._lock.put_on(self._client, self._bucket, key)

    def _clear(self) -> None:
        """Removes what waits below `uploads/`; what a failing server keeps is collected later."""
        self._buffer = io.BytesIO()
        if self._completing:
            with self._logged(), translated("removing an upload"):
                self._client.delete_object(Bucket=self._bucket, Key=self._waiting, **self._version)
        if self._upload_id is not None and not self._completed:
            with self._logged(), translated("removing an upload"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._waiting, UploadId=self._upload_id)

    @contextlib.contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            _log.warning("an upload stays until it is collected: %s", error)

    @contextlib.contextmanager
    def _aborted_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abort()
            raise
