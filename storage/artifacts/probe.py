"""Asks a server at start for the guarantees it claims, by trying to break them.

Many S3-speaking servers take the headers of object lock or of a checksum, answer 200 and ignore them. So the
probe writes a few bytes with a wrong checksum, which must be refused, and a locked object whose deletion must
be refused; a control object shows that these credentials may delete at all. Probe objects lie below
`uploads/` and are collected with abandoned uploads, once their lock has ended.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from governance.artifact_store import ArtifactStoreError
from storage.artifacts.s3 import S3ArtifactStore
from storage.artifacts.s3_location import Lock, LockMode, Retention, S3Location, is_denied, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectOutputTypeDef

_CONTENT = b"gatehouse probe"
_LOCK_TIME = timedelta(minutes=20)
"""Longer than two clocks may differ before S3 refuses every request (15 minutes)."""


class GuaranteeMissing(ArtifactStoreError):
    """The server does not do what the configuration relies on; starting would be a false promise."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """What the server was seen to do. `reasons` says of each False why it is one."""

    ranges_served: bool
    wrong_checksum_refused: bool
    object_lock_honoured: bool
    reasons: tuple[str, ...]


def opened(location: S3Location, *, retention: Retention | None, at: datetime) -> tuple[S3ArtifactStore, Guarantees]:
    """The store, and what its server was seen to guarantee. `at` is now, aware.

    Raises:
        GuaranteeMissing: ranges are not served; or retention is wanted and the server does not honour object
        lock. StoreUnavailable: the server cannot be reached, or refuses plain reading and writing.
    """
    store = S3ArtifactStore(location, retention=retention)
    seen = probed(store.client, location, mode=retention.mode if retention else "GOVERNANCE", at=at)
    if not seen.ranges_served:
        raise GuaranteeMissing(f"{location.bucket}: {'; '.join(seen.reasons)}")
    if retention is not None and not seen.object_lock_honoured:
        raise GuaranteeMissing(f"{location.bucket} cannot retain artifacts: {'; '.join(seen.reasons)}")
    return store, seen


def probed(client: S3Client, location: S3Location, *, mode: LockMode, at: datetime) -> Guarantees:
    """Tries each guarantee once; `mode` is the lock to try. Raises StoreUnavailable as `opened` does."""
    bucket, key = location.bucket, location.key(f"uploads/probe-{secrets.token_hex(8)}")
    with translated("probing the bucket"):
        faults = (
            _range_fault(client, bucket, key),
            _checksum_fault(client, bucket, key),
            _lock_fault(client, bucket, key, Lock(mode, at + _LOCK_TIME)),
        )
    ranges, checksum, lock = (fault is None for fault in faults)
    return Guarantees(ranges, checksum, lock, tuple(fault for fault in faults if fault is not None))


def _range_fault(client: S3Client, bucket: str, key: str) -> str | None:
    written = client.put_object(Bucket=bucket, Key=key, Body=_CONTENT)
    try:
        part = client.get_object(Bucket=bucket, Key=key, Range="bytes=2-5")["Body"].read()
    finally:
        _remove(client, bucket, key, _version(written))
    return None if part == _CONTENT[2:6] else "a range of an object was not served as asked"


def _checksum_fault(client: S3Client, bucket: str, key: str) -> str | None:
    from botocore.exceptions import ClientError

    wrong = base64.b64encode(hashlib.sha256(b"other content").digest()).decode()
    try:
        written = client.put_object(Bucket=bucket, Key=key, Body=_CONTENT, ChecksumSHA256=wrong)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 400:
            return None
        raise
    _remove(client, bucket, key, _version(written))
    return "an object with a wrong checksum was stored"


def _lock_fault(client: S3Client, bucket: str, key: str, lock: Lock) -> str | None:
    unlocked = _version(client.put_object(Bucket=bucket, Key=key, Body=_CONTENT))
    removable = _remove(client, bucket, key, unlocked)
    if unlocked is None:
        return "the bucket keeps no versions, without which nothing is locked"
    if not removable:
        return "these credentials may not delete a version, so a refusal would prove no lock"
    return _unlocked(client, bucket, key, lock, at_once=True) or _unlocked(client, bucket, key, lock, at_once=False)


def _unlocked(client: S3Client, bucket: str, key: str, lock: Lock, *, at_once: bool) -> str | None:
    """Locks an object in one of the two ways that uploads use, and tries to delete it."""
    from botocore.exceptions import ClientError

    try:
        headers = lock.headers() if at_once else {}
        locked = _version(client.put_object(Bucket=bucket, Key=key, Body=_CONTENT, **headers))
        if not at_once:
            lock.put_on(client, bucket, key)
    except ClientError as error:
        return f"locking an object was refused: {error.response.get('Error', {}).get('Code')}"
    if locked is None or _remove(client, bucket, key, locked):
        return "a locked object could be deleted"
    with contextlib.suppress(ClientError):  # lifts a GOVERNANCE lock where permitted; else the collector comes later
        client.delete_object(Bucket=bucket, Key=key, VersionId=locked, BypassGovernanceRetention=True)
    return None


def _version(written: PutObjectOutputTypeDef) -> str | None:
    return written.get("VersionId")  # absent where the bucket keeps none, whatever the stubs say


def _remove(client: S3Client, bucket: str, key: str, version: str | None) -> bool:
    """Deletes the object, or that version of it; False if S3 refused to."""
    from botocore.exceptions import ClientError

    named_version: dict[str, Any] = {} if version is None else {"VersionId": version}
    try:
        client.delete_object(Bucket=bucket, Key=key, **named_version)
    except ClientError as error:
        if is_denied(error):
            return False
        raise
    return True
