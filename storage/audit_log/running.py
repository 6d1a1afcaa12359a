"""The audit log of a platform: its sequencer and its verification, with keys and places from settings."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.note import VerifierKey
from governance.audit.report import Report
from governance.bundle.facts import PublicKeys
from governance.errors import DependencyUnavailable
from storage.audit_log.keys import KeyFileError, load_or_create_signing_key
from storage.audit_log.ledger import BrokenHistoryError
from storage.audit_log.reading import verify_log
from storage.audit_log.sequencer import Sequencer
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


def verify_platform(platform: Platform, progress: Callable[[int], None] | None = None) -> Report:
    """Verify the whole log of a platform; `progress` is called with the number of entries read.

    Makes no key: without the keys that the log was written with there is nothing to verify it by. Raises
    KeyFileError, psycopg.Error, OSError.
    """
    return verify_log(
        platform.settings.database_url,
        platform.settings.audit_directory,
        public_key=believed_notes(platform),
        mac_key=_existing_audit_key(platform),
        progress=progress,
    )


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
