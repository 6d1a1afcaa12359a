"""Copies of the checkpoints in a bucket that nobody can change: S3 object lock in COMPLIANCE mode.

Whoever owns the machine of the platform can rewrite the log and the checkpoint files beside it, with the key that
lies there. The copies they cannot: an object is locked for years, against the account's owner too. A checkpoint is
copied as it is signed, at most one a minute; what fails is tried again, and the log does not wait for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from governance.artifact_store import ArtifactStoreError
from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import CompactRange
from governance.audit.note import Believed, InvalidNoteError
from governance.audit.report import Findings, Kind
from storage.audit_log.checkpoints import LONGEST_RECORD, CheckpointFiles
from storage.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from storage.artifacts.s3_location import S3Location

COPY_SECONDS = 60.0
RETRY_SECONDS = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """For health pages: how many entries the newest copy covers, and why there is no newer one."""

    copied: int = 0
    error: str | None = None


class CheckpointCopies:
    """The copies of one log in the bucket of `location`, below `checkpoints/<origin>/`."""

    def __init__(self, client: S3Client, location: S3Location, origin: str) -> None:
        self.client = client
        self._bucket = location.bucket
        self._prefix = location.key(f"checkpoints/{origin}/")

    def put(self, checkpoint: Checkpoint, note: str, until: datetime) -> None:
        """Raises StoreUnavailable. A copy that is there stays as it is; the same again is one more version of it."""
        lock = _lock(until)
        with _translated("copying a checkpoint"):
            self.client.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{checkpoint.size:019d}",
                Body=note.encode(),
                ContentType="text/plain; charset=utf-8",
                **lock,
            )

    def notes(self) -> Iterator[tuple[str, str]]:
        """(name, note) of every version of every copy, by size: a version that somebody put on top hides nothing."""
        with _translated("reading the copies of checkpoints"):
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for version in page.get("Versions", []):
                    key, version_id = version["Key"], version["VersionId"]
                    found = self.client.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
                    name = f"copy {key.removeprefix(self._prefix)}"
                    yield name, found["Body"].read(LONGEST_RECORD).decode("utf-8", "replace")


def _lock(until: datetime) -> dict[str, Any]:
    from storage.artifacts.s3_location import Lock

    return Lock("COMPLIANCE", until).headers()


def _translated(doing: str) -> AbstractContextManager[None]:
    from storage.artifacts.s3_location import translated

    return translated(doing)


def location_of_copies(settings: Settings) -> S3Location:
    """The bucket of the copies on the server of the artifact settings."""
    from storage.artifacts.from_settings import location_of

    return replace(location_of(settings), bucket=settings.checkpoint_bucket)


def probed_copies(settings: Settings, origin: str, at: datetime) -> CheckpointCopies:
    """Raises GuaranteeMissing when the server does not honour object lock, StoreUnavailable when it does not answer."""
    from storage.artifacts.probe import GuaranteeMissing, probed

    copies = copies_of(settings, origin)
    seen = probed(copies.client, location_of_copies(settings), mode="COMPLIANCE", at=at)
    if not seen.object_lock_honoured:
        raise GuaranteeMissing(
            f"{settings.checkpoint_bucket} cannot keep checkpoints from being changed: {'; '.join(seen.reasons)}"
        )
    return copies


def copies_of(settings: Settings, origin: str) -> CheckpointCopies:
    from storage.artifacts.s3 import S3ArtifactStore

    location = location_of_copies(settings)
    return CheckpointCopies(S3ArtifactStore(location).client, location, origin)


class Copier:
    """Copies the newest checkpoint whenever there is a new one; run in a thread beside the sequencer.

    believed: whose checkpoints count, asked anew each time, since keys may be rotated meanwhile.
    """

    def __init__(
        self,
        files: CheckpointFiles,
        believed: Callable[[], Believed],
        copies: CheckpointCopies,
        days: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._files = files
        self._believed = believed
        self._copies = copies
        self._days = days
        self._clock = clock
        self.status = CopyStatus()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.copy()
            stop.wait(RETRY_SECONDS if self.status.error else COPY_SECONDS)

    def copy(self) -> None:
        """Copy the newest checkpoint unless it was copied. A failure stands in `status` and is logged."""
        try:
            note = self._files.snapshot().newest
            if note is None:
                return
            checkpoint = Checkpoint.opened(note, self._believed())
            if checkpoint.size > self.status.copied:
                self._copies.put(checkpoint, note, self._clock() + timedelta(days=self._days))
            self.status = CopyStatus(max(checkpoint.size, self.status.copied))
        except (ArtifactStoreError, InvalidNoteError, OSError) as error:
            told = f"{type(error).__name__}: {error}"
            if told != self.status.error:
                _log.error("the newest checkpoint of the audit log could not be copied: %s", told)
            self.status = CopyStatus(self.status.copied, told)


def compare(connection: psycopg.Connection[Any], copies: CheckpointCopies, key: Believed, findings: Findings) -> int:
    """The log that `connection` sees against every copy; how many copies hold. Raises StoreUnavailable, psycopg.Error.

    A log that was cut, or rewritten with everything beside it, contradicts a copy. Copies by another key than `key`
    are themselves a finding: nobody else writes there.
    """
    signed: list[tuple[str, Checkpoint]] = []
    for name, note in copies.notes():
        try:
            signed.append((name, Checkpoint.opened(note, key)))
        except InvalidNoteError as error:
            findings.add(Kind.COPY, f"{name} is not a checkpoint of this log: {error}")
    if not signed:
        findings.add(Kind.COPY, "there is no copy of a checkpoint")
    signed.sort(key=lambda each: each[1].size)
    tree, held = CompactRange(), 0
    signed.reverse()  # the next one to meet stands last
    with connection.cursor("leaves_for_copies", binary=True) as cursor:
        cursor.itersize = 10_000
        cursor.execute("select leaf from audit_entries order by seq")
        for leaf in _with_start(cursor):
            if leaf is not None:
                tree.append(leaf)
            while signed and signed[-1][1].size == tree.size:
                name, checkpoint = signed.pop()
                if checkpoint.root == tree.root():
                    held += 1
                else:
                    findings.add(
                        Kind.COPY, f"the log's root at {tree.size} entries is not that of {name}: it was rewritten"
                    )
    for name, checkpoint in reversed(signed):
        findings.add(Kind.COPY, f"{name} covers {checkpoint.size} entries, but the log ends at {tree.size}: it was cut")
    return held


def _with_start(cursor: Any) -> Iterator[bytes | None]:
    """None, for the log before its first entry, and every leaf."""
    yield None
    for (leaf,) in cursor:
        yield leaf
