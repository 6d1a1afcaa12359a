"""Where a bucket is and who may use it: the values behind an S3 store, and the boto3 client made of them.

boto3 is imported late: it takes a third of a second and some 20 MB, which a machine with a local store never
pays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from governance.artifact_store import BlobMissing, RangeNotSatisfiable, StoreUnavailable

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS = 5
_READ_SECONDS = 120
"""Also the longest silence of a server that copies an object of 5 GB before it answers."""


LockMode = Literal["GOVERNANCE", "COMPLIANCE"]


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """A key pair, with a session token where it is a temporary one. Only the key's id is ever printed."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Retention:
    """Write once, read many: every blob is locked for `days` (S3 object lock).

    GOVERNANCE may be lifted by whoever has the permission to bypass it, COMPLIANCE by nobody, the account's
    owner included. The bucket needs object lock, and so versioning, from its creation.
    """

    mode: LockMode
    days: int


@dataclass(frozen=True, slots=True)
class Lock:
    """The retention of one object: its mode, and the moment at which it ends."""

    mode: LockMode
    until: datetime

    def headers(self) -> dict[str, Any]:
        """Arguments that lock an object as it is put; S3 takes them only with a checksum that it compares."""
        return {
            "ObjectLockMode": self.mode,
            "ObjectLockRetainUntilDate": self.until,
            "ChecksumAlgorithm": "SHA256",
        }

    def put_on(self, client: S3Client, bucket: str, key: str) -> None:
        """Locks the newest version of an object that is there already."""
        client.put_object_retention(
            Bucket=bucket, Key=key, Retention={"Mode": self.mode, "RetainUntilDate": self.until}
        )


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket of AWS (no `endpoint`) or of any S3-speaking server.

    `prefix` stands before every key, with or without a final `/`. `public_endpoint` is how downloaders reach
    the server, where that differs from `endpoint`. `credentials` None means boto3's chain: environment,
    shared files, instance role. `max_parts` is how many parts the server takes in one multipart upload:
    10,000 on AWS, 1,000 on a Swift as it comes.

    The credentials need object read, write and delete, list on the bucket (else S3 answers 403 for a missing
    key), and list and abort of multipart uploads.
    """

    bucket: str
    region: str = "us-east-1"
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    credentials: S3Credentials | None = None
    max_parts: int = 10_000

    def key(self, name: str) -> str:
        """The full key of a name inside the prefix."""
        return f"{self.prefix.strip('/')}/{name}" if self.prefix.strip("/") else name


def session_of(location: S3Location) -> Session:
    """A session of its own, because boto3's default session is not safe across threads."""
    from boto3.session import Session

    given = location.credentials
    if given is None:
        return Session(region_name=location.region)
    return Session(given.access_key, given.secret_key, given.session_token, region_name=location.region)


def client_of(session: Session, location: S3Location) -> S3Client:
    """A client that threads may share. Nothing is sent yet."""
    with translated("connecting"):
        return session.client("s3", endpoint_url=location.endpoint, config=_config(location))


def _config(location: S3Location) -> Config:
    from botocore.config import Config

    foreign = location.endpoint is not None
    return Config(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=32,
        # Other servers rarely understand the trailing checksums that boto3 sends to AWS unasked, and some
        # break ranges.
        request_checksum_calculation="when_required" if foreign else "when_supported",
        response_checksum_validation="when_required" if foreign else "when_supported",
        # Signing the payload makes the server compare its SHA-256 with ours, over TLS or not. "virtual" also
        # keeps boto3 from presigning for AWS's global address, which redirects to the region and so breaks
        # the signature.
        s3={"addressing_style": "path" if foreign else "virtual", "payload_signing_enabled": True},
    )


@contextlib.contextmanager
def translated(doing: str, blob: str | None = None) -> Iterator[None]:
    """Turns boto3's errors into the port's; a missing key is a missing blob where one is named."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if blob is not None and code in {"404", "NoSuchKey", "NotFound"}:
            raise BlobMissing(f"no blob {blob}") from error
        if code in {"416", "InvalidRange"}:
            raise RangeNotSatisfiable(f"the range lies behind the end of {blob}") from error
        raise StoreUnavailable(f"S3 refused {doing}: {code}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"S3 failed at {doing}: {error}") from error


def is_denied(error: BaseException | None) -> bool:
    """Whether it is S3's refusal of a permission, or of deleting what is locked: the code is the same."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "AccessDenied"
