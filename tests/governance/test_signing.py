"""Envelopes are believed when a known key signed exactly this payload as exactly this type."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer._key import SSlibKey

from governance.signing import IN_TOTO, Envelope, InvalidEnvelope, key_id, opened, sealed
from storage.signers import FileSigner

SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {key_id(SIGNER.public_key): SIGNER.public_key}
VALUE = {"b": [1, 2.5, None], "a": "ä"}


def test_it_opens_for_the_key_that_signed_and_survives_json() -> None:
    envelope = Envelope.from_json(sealed(SIGNER, IN_TOTO, VALUE).to_json())
    assert opened(envelope, IN_TOTO, KEYS) == '{"a":"ä","b":[1,2.5,null]}'.encode()


def test_a_stranger_s_library_reads_it() -> None:
    theirs = TheirEnvelope.from_dict(sealed(SIGNER, IN_TOTO, VALUE).to_json())
    identifier = key_id(SIGNER.public_key)
    key = SSlibKey(identifier, "ed25519", "ed25519", {"public": SIGNER.public_key.hex()})
    assert theirs.verify([key], 1) == {identifier: key}


@pytest.mark.parametrize("place", range(0, 27, 3))
def test_no_byte_of_the_payload_can_change(place: int) -> None:
    envelope = sealed(SIGNER, IN_TOTO, VALUE)
    payload = bytearray(envelope.payload)
    payload[place] ^= 1
    with pytest.raises(InvalidEnvelope, match="not over this payload"):
        opened(Envelope(IN_TOTO, bytes(payload), envelope.signatures), IN_TOTO, KEYS)


def test_another_type_or_key_is_refused() -> None:
    envelope = sealed(SIGNER, IN_TOTO, VALUE)
    with pytest.raises(InvalidEnvelope, match="it is of type"):
        opened(envelope, "application/json", KEYS)
    with pytest.raises(InvalidEnvelope, match="no known key"):
        opened(envelope, IN_TOTO, {})
    with pytest.raises(InvalidEnvelope, match="not over this payload"):
        opened(Envelope("text/plain", envelope.payload, envelope.signatures), "text/plain", KEYS)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"payload": "", "payloadType": "x"},
        {"payload": "%", "payloadType": "x", "signatures": []},
        {"payload": b64encode(b"x").decode(), "payloadType": "x", "signatures": [{"keyid": "x"}]},
        {"payload": "", "payloadType": "x", "signatures": "abc"},
    ],
)
def test_what_is_no_envelope_is_refused(value: object) -> None:
    with pytest.raises(InvalidEnvelope):
        Envelope.from_json(value)
