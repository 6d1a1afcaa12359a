"""Where the private half of a signing key is: a file, or a command that reaches an HSM or a key service."""

from __future__ import annotations

import shlex
import subprocess
from base64 import b64decode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from governance.audit.note import VerifierKey
from governance.errors import DependencyUnavailable
from storage.audit_log.keys import KeyFileError

COMMAND_SECONDS = 5.0
"""A signing command that takes longer is given up."""


class FileSigner:
    """A key in a file of mode 0600, made on first use."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


class CommandSigner:
    """Hands what is to be signed to a command, and believes its answer only after checking it."""

    def __init__(self, command: str, public_key: bytes, seconds: float = COMMAND_SECONDS) -> None:
        """`command` is split as a shell would, but no shell runs it. Raises KeyFileError."""
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise KeyFileError(f"GATEHOUSE_SIGNING_COMMAND cannot be read: {error}.") from error
        self._seconds = seconds
        self.public_key = public_key

    def sign(self, data: bytes) -> bytes:
        """Raises DependencyUnavailable. Neither the command nor what it says is repeated: both may hold secrets."""
        try:
            done = subprocess.run(
                self._arguments,
                input=data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _unavailable(f"did not answer within {self._seconds:g} s") from None
        except OSError as error:
            raise _unavailable(f"could not be started ({type(error).__name__})") from None
        if done.returncode:
            raise _unavailable(f"ended with code {done.returncode}")
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(done.stdout, data)
        except InvalidSignature:
            raise _unavailable("did not write a signature by the public key in the settings") from None
        return done.stdout


def _unavailable(what: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"The signing command {what}.", details={"dependency": "signing key"})


def public_key_from(text: str) -> bytes:
    """32 bytes: of a PEM file, a verifier key line, or base64. Raises KeyFileError."""
    try:
        if "\n" not in text and len(text) < 4096 and Path(text).is_file():
            found = load_pem_public_key(Path(text).read_bytes())
            if not isinstance(found, Ed25519PublicKey):
                raise KeyFileError(f"{text} is not an Ed25519 key.")
            return found.public_bytes_raw()
        if text.count("+") >= 2 and text.startswith("gatehouse"):
            return VerifierKey.parse(text).public.public_bytes_raw()
        return Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True)).public_bytes_raw()
    except (ValueError, OSError) as error:
        raise KeyFileError("GATEHOUSE_SIGNING_PUBLIC_KEY is no Ed25519 public key.") from error
