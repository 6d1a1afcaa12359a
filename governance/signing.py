"""Signed statements: DSSE envelopes (Dead Simple Signing Envelope, version 1) with Ed25519.

What is signed is the pre-authentication encoding of type and payload, so that a statement of one type cannot be passed
off as one of another. A key is named by the SHA-256 of its 32 public bytes, in hex. Anybody checks an envelope with the
public key alone; OpenSSL does, over `pae(...)`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from governance.canonical import canonical_bytes

IN_TOTO = "application/vnd.in-toto+json"
DECISION = "application/vnd.gatehouse.decision+json"
"""One person's decision: {"approvalId", "requestId", "approverId", "approverName", "decision", "comment",
"evidenceDigest", "at", "onBehalfOf"}, the last one null unless it was delegated."""
OVERRIDE = "application/vnd.gatehouse.override+json"
"""A soft gate that was overridden: {"overrideId", "requestId", "policy", "policyVersion", "evidenceDigest", "reason",
"proposedBy", "proposedAt", "confirmedBy", "confirmedAt", "expiresAt"}; of a mere proposal, both about confirming are
null."""


class InvalidEnvelope(ValueError):
    """An envelope that must not be believed; the message says why."""


class Signer(Protocol):
    """The private half of one key, wherever it is kept."""

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""

    def sign(self, data: bytes) -> bytes:
        """64 bytes. Raises DependencyUnavailable when the key cannot be reached."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """payload_type: its media type. signatures: raw signature by key id."""

    payload_type: str
    payload: bytes
    signatures: Mapping[str, bytes]

    def to_json(self) -> dict[str, Any]:
        return {
            "payloadType": self.payload_type,
            "payload": b64encode(self.payload).decode(),
            "signatures": [{"keyid": key, "sig": b64encode(sig).decode()} for key, sig in self.signatures.items()],
        }

    @classmethod
    def from_json(cls, value: Any) -> Envelope:
        """Raises InvalidEnvelope for anything that is not an envelope."""
        try:
            signatures = {str(one["keyid"]): b64decode(one["sig"], validate=True) for one in value["signatures"]}
            return cls(str(value["payloadType"]), b64decode(value["payload"], validate=True), signatures)
        except (KeyError, TypeError, binascii.Error, ValueError) as error:
            raise InvalidEnvelope("this is not a DSSE envelope") from error


def key_id(public_key: bytes) -> str:
    return sha256(public_key).hexdigest()


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding (DSSE protocol, v1)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sealed(signer: Signer, payload_type: str, value: Any) -> Envelope:
    """The RFC 8785 bytes of `value`, signed."""
    payload = canonical_bytes(value)
    return Envelope(payload_type, payload, {key_id(signer.public_key): signer.sign(pae(payload_type, payload))})


def opened(envelope: Envelope, payload_type: str, keys: Mapping[str, bytes]) -> bytes:
    """The payload, if one of `keys` (public key by id) signed it as `payload_type`. Raises InvalidEnvelope."""
    if envelope.payload_type != payload_type:
        raise InvalidEnvelope(f"it is of type {envelope.payload_type[:100]!r}, not {payload_type!r}")
    data = pae(envelope.payload_type, envelope.payload)
    for identifier, signature in envelope.signatures.items():
        public = keys.get(identifier)
        if public is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        except InvalidSignature:
            raise InvalidEnvelope(f"the signature by key {identifier[:16]}… is not over this payload") from None
        return envelope.payload
    raise InvalidEnvelope("it is signed by no known key")
