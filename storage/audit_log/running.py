"""The audit log of a platform: its sequencer and its verification, with keys and places from settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.note import VerifierKey
from governance.audit.report import Report
from governance.bundle.facts import PublicKeys
from governance.errors import DependencyUnavailable, NotConfigured
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.copies import Copier, copies_of, probed_copies
from storage.audit_log.keys import KeyFileError, load_or_create_signing_key
from storage.audit_log.ledger import BrokenHistoryError
from storage.audit_log.sequencer import Sequencer
from storage.audit_log.whole import verify_whole
from storage.composition import Platform, now
from storage.signing_keys import PlatformKeys, public_ring

_DRAIN_SECONDS = 15.0


def signing_key_of(platform: Platform) -> Ed25519PrivateKey:
    return load_or_create_signing_key(platform.settings.key_directory / "audit-signing.pem")


def sequencer_of(platform: Platform) -> Sequencer:
    return Sequencer(
        platform.settings.database_url,
        platform.settings.audit_directory,
        PlatformKeys(platform.settings, now),
        audit_key=platform.audit_key,
        indexed=True,
    )


def sequence_waiting(platform: Platform) -> str | None:
    """Bring everything that waits into the log; a sentence instead when that is not possible now. Makes no
    key either.
    """
    try:
        believed_notes(platform)
        _existing_audit_key(platform)
        sequencer_of(platform).drain(_DRAIN_SECONDS)
    except (BrokenHistoryError, KeyFileError, DependencyUnavailable, TimeoutError, OSError, psycopg.Error) as error:
        return f"What waits could not be brought into the log: {error}"
    return None


def verify_platform(
    platform: Platform,
    progress: Callable[[int], None] | None = None,
    *,
    archives: Path | None = None,
    copies: bool = False,
    index: bool = False,
) -> Report:
    """Verify the whole log of a platform; `progress` is called with the number of entries read.

    archives: where the archives of removed texts lie. copies: compare with the copies of the checkpoints. index:
    compare with what the log is read by.

    Makes no key: without the keys that the log was written with there is nothing to verify it by. Raises
    KeyFileError, psycopg.Error, OSError.
    """
    ring = public_ring(platform.settings)
    if copies and not platform.settings.checkpoint_bucket:
        raise NotConfigured("No bucket holds copies of the checkpoints; GATEHOUSE_CHECKPOINT_BUCKET names one.")
    return verify_whole(
        platform.settings.database_url,
        platform.settings.audit_directory,
        public_key=ring.believed,
        mac_key=_existing_audit_key(platform),
        progress=progress,
        archives=archives,
        copies=copies_of(platform.settings, ring.log) if copies else None,
        index=index,
    )


def copier_of(platform: Platform) -> Copier | None:
    """What copies the checkpoints to the bucket of the settings; None without one.

    Raises GuaranteeMissing when the bucket does not keep what is locked, StoreUnavailable when nobody answers.
    """
    settings = platform.settings
    if not settings.checkpoint_bucket:
        return None
    keys = PlatformKeys(settings, now)
    copies = probed_copies(settings, keys.log, now())
    files = CheckpointFiles(settings.audit_directory)
    return Copier(files, keys.believed, copies, settings.checkpoint_retention_days, now)


def believed_notes(platform: Platform) -> tuple[VerifierKey, ...]:
    """Whose checkpoints count. The public halves alone are enough. Raises KeyFileError, OSError."""
    return public_ring(platform.settings).believed


def public_keys(platform: Platform) -> PublicKeys:
    return public_ring(platform.settings).public()


def _existing_audit_key(platform: Platform) -> bytes:
    path = platform.settings.key_directory / "audit-mac.key"
    if not path.exists():
        raise KeyFileError(f"{path}, the key of the audit log's entries, is not there.")
    return platform.audit_key
