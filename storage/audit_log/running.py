"""The audit log of a platform: its sequencer and its verification, with keys and places from settings."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.note import VerifierKey
from storage.audit_log.keys import load_or_create_signing_key
from storage.audit_log.sequencer import Sequencer
from storage.composition import Platform


def signing_key_of(platform: Platform) -> Ed25519PrivateKey:
    return load_or_create_signing_key(platform.settings.key_directory / "audit-signing.pem")


def sequencer_of(platform: Platform) -> Sequencer:
    key = signing_key_of(platform)
    return Sequencer(
        platform.settings.database_url,
        platform.settings.audit_directory,
        key,
        VerifierKey.named_after(key.public_key()).name,
        audit_key=platform.audit_key,
    )
