"""Signed notes (C2SP signed-note, version 1.0.0) with Ed25519: text, a blank line, signature lines.

    — <key name> base64(key id || signature)

The key id is the first four bytes of SHA-256(key name || 0x0A || 0x01 || public key). A verifier key is
shared as `<key name>+<key id in hex>+<base64 of 0x01 || public key>`, the form that Go's `sumdb/note` and the
transparency tools read, so that a stranger can check our notes without our code.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.signing import Signer

_ED25519 = b"\x01"
_SIGNATURE_LINE = re.compile(r"— (?P<name>\S+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")

MOST_SIGNATURES = 100
"""Signature lines that are looked at; more are refused rather than worked through."""


class InvalidNoteError(ValueError):
    """A note that must not be believed; the message says why."""


@dataclass(frozen=True)
class VerifierKey:
    """The public half, by name. Raises ValueError for a name that the format cannot carry."""

    name: str
    public: Ed25519PublicKey

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or re.search(r"\s", self.name) or _CONTROL.search(self.name):
            raise ValueError(f"{self.name!r} cannot be a key name: no spaces, no plus, not empty")

    @cached_property
    def encoded(self) -> bytes:
        return _ED25519 + self.public.public_bytes_raw()

    @cached_property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.encoded).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(self.encoded).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key of a `vkey` line. Raises ValueError unless name, id and key belong together."""
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if raw is None or raw[:1] != _ED25519 or len(raw) != 33:
            raise ValueError("this is not an Ed25519 verifier key")
        key = cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        if key.id.hex() != identifier:
            raise ValueError("the verifier key's id does not belong to its name and key")
        return key

    @classmethod
    def named_after(cls, public: Ed25519PublicKey) -> VerifierKey:
        """The key under its default name, `gatehouse.audit/<first 4 bytes of SHA-256 of the key, in hex>`."""
        return cls(f"gatehouse.audit/{sha256(public.public_bytes_raw()).hexdigest()[:8]}", public)


Believed = VerifierKey | Sequence[VerifierKey]
"""One key, or the keys of one log that came after each other; all bear the log's name."""


def keys_of(believed: Believed) -> tuple[VerifierKey, ...]:
    return (believed,) if isinstance(believed, VerifierKey) else tuple(believed)


def sign_note(text: str, name: str, *signers: Ed25519PrivateKey | Signer) -> str:
    """`text` as a note signed by each of `signers`. Raises ValueError for text that cannot stand in a note."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note's text ends with a newline and has no other control characters")
    lines = []
    for signer in signers:
        key = VerifierKey(name, _public(signer))
        lines.append(f"— {name} {b64encode(key.id + signer.sign(text.encode())).decode()}\n")
    return f"{text}\n{''.join(lines)}"


def _public(signer: Ed25519PrivateKey | Signer) -> Ed25519PublicKey:
    if isinstance(signer, Ed25519PrivateKey):
        return signer.public_key()
    return Ed25519PublicKey.from_public_bytes(signer.public_key)


def open_note(note: str, believed: Believed) -> str:
    """The text that a believed key signed. Raises InvalidNoteError when none did, or when the note is malformed.

    Signatures by other keys are ignored, as witnesses may add theirs; each one by a believed key has to be right.
    """
    keys = keys_of(believed)
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or _CONTROL.search(note):
        raise InvalidNoteError("it is not a signed note")
    text += "\n"
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise InvalidNoteError("it carries too many signatures")
    found = False
    for line in lines:
        match = _SIGNATURE_LINE.fullmatch(line)
        signature = _decoded(match["signature"]) if match else None
        if match is None or signature is None or len(signature) < 5:
            raise InvalidNoteError("a signature line is malformed")
        for key in keys:
            if match["name"] == key.name and signature[:4] == key.id:
                _check(text, signature[4:], key)
                found = True
    if not found:
        raise InvalidNoteError(f"it is not signed by {keys[0].name if keys else 'anybody who is believed'}")
    return text


def _check(text: str, signature: bytes, key: VerifierKey) -> None:
    try:
        key.public.verify(signature, text.encode())
    except InvalidSignature:
        raise InvalidNoteError(f"the signature is not by {key.name} over this text") from None


def _decoded(text: str) -> bytes | None:
    """Strict base64 (RFC 4648 section 4): one spelling for each value, None for every other."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None
