"""The keys that the platform signs with: the one in use, and those whose signatures are still believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.signing import key_id
from storage.audit_log.keys import load_or_create_signing_key

SIGNING_KEY = "audit-signing.pem"


class FileSigner:
    """A key in a file of mode 0600, made on first use."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


def signer_in(key_directory: Path) -> FileSigner:
    """Raises KeyFileError, OSError."""
    return FileSigner(load_or_create_signing_key(key_directory / SIGNING_KEY))


def believed_keys(key_directory: Path) -> Mapping[str, bytes]:
    """Public key by id. Raises KeyFileError, OSError."""
    public = signer_in(key_directory).public_key
    return {key_id(public): public}
