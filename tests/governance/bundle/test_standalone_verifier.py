"""`verify.py` needs nothing but Python's standard library, and its own Ed25519 agrees with the standard's."""

from __future__ import annotations

import ast
import random
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.merkle import leaf_hash, root_of
from governance.audit.proofs import consistency_proof, inclusion_proof
from governance.bundle import verify

SOURCE = Path(verify.__file__).read_text(encoding="utf-8")

# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def test_it_is_python_3_9_and_imports_nothing_else() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    assert not names & {"socket", "urllib", "urllib.request", "http", "subprocess", "ssl"}


@pytest.mark.parametrize(("_", "public", "message", "signature"), VECTORS)
def test_vectors_of_the_standard(_: str, public: str, message: str, signature: str) -> None:
    key, data, value = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert verify.signed(key, data, value)
    for place in range(0, 64, 7):
        wrong = bytearray(value)
        wrong[place] ^= 1
        assert not verify.signed(key, data, bytes(wrong))
    assert not verify.signed(key, data + b"!", value)


def test_it_agrees_with_openssl() -> None:
    dice = random.Random(8032)
    for _ in range(20):
        private = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
        public, data = private.public_key().public_bytes_raw(), dice.randbytes(dice.randrange(200))
        signature = private.sign(data)
        assert verify.signed(public, data, signature)
        assert not verify.signed(public, data, dice.randbytes(64))
        assert not verify.signed(dice.randbytes(32), data, signature)


def test_malleable_and_misshapen_signatures_are_refused() -> None:
    """RFC 8032, 5.1.7: the scalar has to be below the group's order, a coordinate below the field's."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"x")
    order = 2**252 + 27742317777372353535851937790883648493
    higher = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not verify.signed(public, b"x", signature[:32] + higher)
    assert not verify.signed(public, b"x", signature[:63])
    assert not verify.signed(public[:31], b"x", signature)
    assert not verify.signed((2**255 - 1).to_bytes(32, "little"), b"x", signature)


def test_its_merkle_proofs_are_those_of_the_log() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(21)]
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_proof(leaves, index, 21)
        assert verify.included(leaf, index, 21, path, root)
        assert not verify.included(leaves[0] if index else leaves[1], index, 21, path, root)
        assert not verify.included(leaf, index, 21, [*path, root], root)
    for first in range(1, 21):
        path = consistency_proof(leaves, first, 21)
        assert verify.extends(first, 21, root_of(leaves[:first]), root, path)
        assert not verify.extends(first, 21, root_of(leaves[1 : first + 1]), root, path)
        assert not verify.extends(first, 21, root_of(leaves[:first]), leaf_hash(b""), path)


@pytest.mark.parametrize("archive", [b"", b"PK", b"PK\x05\x06" + bytes(18), bytes(100), b"PK\x03\x04" + b"\xff" * 60])
def test_what_is_no_bundle_is_named_and_never_a_crash(archive: bytes) -> None:
    found = verify.Verification(archive)
    assert not found.ok


def test_json_with_a_field_twice_is_refused() -> None:
    with pytest.raises(verify.Broken, match="twice"):
        verify.parsed(b'{"a": 1, "a": 2}')
    for text in (b"NaN", b"[1,", b"\xff", b"[" * 100_000):
        with pytest.raises(verify.Broken):
            verify.parsed(text)
