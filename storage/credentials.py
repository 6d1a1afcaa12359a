"""Passwords (argon2id) and bearer tokens (256 random bits, stored as HMAC-SHA256)."""

from __future__ import annotations

import hmac
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

TOKEN_PREFIX = "ghs_"  # noqa: S105  (a public marker, so that leaked tokens can be recognised)

# OWASP's minimum for argon2id: 19 MiB, two passes. Two at a time, so that a flood of logins cannot take the machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_SLOTS = threading.BoundedSemaphore(2)
# Checked when the user is unknown, so that unknown and known names take the same time.
_NOBODY = _HASHER.hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    with _SLOTS:
        return _HASHER.hash(password)


def password_matches(password: str, password_hash: str | None) -> bool:
    """False for a wrong password, an unknown user (`None`) and a hash that cannot be read."""
    with _SLOTS:
        try:
            return _HASHER.verify(password_hash or _NOBODY, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_mac(token: str, key: bytes) -> bytes:
    return hmac.digest(key, token.encode("utf-8", "surrogatepass"), "sha256")
