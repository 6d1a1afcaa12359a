"""A signed statement "after `size` entries the Merkle root was `root`" (C2SP tlog-checkpoint)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.merkle import HASH_BYTES
from governance.audit.note import Believed, InvalidNoteError, keys_of, open_note, sign_note
from governance.signing import Signer

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` is the log's name, which is also its key's name; `root` is 32 bytes."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def signed(self, *signers: Ed25519PrivateKey | Signer) -> str:
        """The note to keep. Whoever signs has made sure that it extends every checkpoint signed before."""
        return sign_note(self.text(), self.origin, *signers)

    @classmethod
    def opened(cls, note: str, believed: Believed) -> Checkpoint:
        """The checkpoint in `note`. Raises InvalidNoteError unless a believed key signed it for its own log."""
        lines = open_note(note, believed).split("\n")[:-1]
        if len(lines) < 3 or not all(lines):
            raise InvalidNoteError("a checkpoint has three lines or more, none of them empty")
        origin, size, root = lines[:3]
        if any(origin != key.name for key in keys_of(believed)):
            raise InvalidNoteError(f"it belongs to the log {origin}")
        if not _SIZE.fullmatch(size):
            raise InvalidNoteError("its size is not a number")
        return cls(origin, int(size), _root(root))


def _root(text: str) -> bytes:
    try:
        root = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != HASH_BYTES:
        raise InvalidNoteError("its root is not a SHA-256 hash")
    return root
