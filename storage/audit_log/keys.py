"""Key files: made once, atomically, readable by their owner only.

Whoever starts first makes the key; racing starters agree, because a key file appears complete or not at all
(a hard link from a synced draft) and everybody reads it back.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from governance.audit.note import VerifierKey
from storage.audit_log.durability import sync_directory

AUDIT_KEY_BYTES = 32


class KeyFileError(Exception):
    """A key file that cannot be used as it is, said in words for the person who runs the platform."""


def load_or_create_audit_key(path: Path) -> bytes:
    """32 random bytes for HMAC, kept as hexadecimal text. Raises KeyFileError, OSError."""
    if not path.exists():
        _create(path, os.urandom(AUDIT_KEY_BYTES).hex().encode() + b"\n")
    try:
        key = bytes.fromhex(_private_content(path).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != AUDIT_KEY_BYTES:
        raise KeyFileError(f"{path} does not hold {AUDIT_KEY_BYTES} bytes in hexadecimal.")
    return key


def load_or_create_signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key that signs checkpoints (PKCS#8 PEM). Raises KeyFileError, OSError.

    Beside it stands its public half as a verifier key line (`verifier_file`), for whoever verifies elsewhere.
    """
    _finish_rotation(path)
    if not path.exists():
        create_signing_key(path)
    key = load_signing_key(path)
    _publish(VerifierKey.named_after(key.public_key()), verifier_file(path))
    return key


def create_signing_key(path: Path) -> None:
    """A new one, unless there is one already."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(path, pem)


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key at `path`, which is there. Raises KeyFileError, OSError."""
    try:
        key = load_pem_private_key(_private_content(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path} is not a private key in PEM form.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} is not an Ed25519 key.")
    return key


def next_file(path: Path) -> Path:
    """Where the key stands that is about to follow the signing key at `path`."""
    return path.with_suffix(".next.pem")


def _finish_rotation(path: Path) -> None:
    """A rotation that died after it published the new key is finished by whoever comes next."""
    if next_file(path).exists() and verifier_file(path).exists():
        following = load_signing_key(next_file(path)).public_key().public_bytes_raw()
        if load_verifier_key(verifier_file(path)).public.public_bytes_raw() == following:
            next_file(path).replace(path)
            sync_directory(path.parent)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Put `content` in the place of `path`, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    sync_directory(path.parent)


def verifier_file(path: Path) -> Path:
    """Where the public half of the signing key at `path` stands."""
    return path.with_suffix(".vkey")


def load_verifier_key(path: Path) -> VerifierKey:
    """The verifier key in `path`. Raises KeyFileError, OSError."""
    try:
        return VerifierKey.parse(path.read_text())
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}.") from error


def _publish(key: VerifierKey, path: Path) -> None:
    if not path.exists():
        _create(path, f"{key}\n".encode(), mode=0o644)
    if load_verifier_key(path).encoded != key.encoded:  # its name may be that of the log's first key
        raise KeyFileError(f"{path} is not the public half of the signing key beside it.")


def _private_content(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise KeyFileError(f"{path} is open to others (mode {mode:04o}); it needs 0600.")
        return file.read()


def _create(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Make `path` with `content`, or leave the one that somebody else made meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        sync_directory(path.parent)
    finally:
        os.unlink(draft)
