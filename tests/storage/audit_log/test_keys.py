"""Key files are made once, whoever races for it, and refused when they are not private or not keys."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from governance.audit.note import VerifierKey, open_note, sign_note
from storage.audit_log.keys import (
    KeyFileError,
    load_or_create_audit_key,
    load_or_create_signing_key,
    load_verifier_key,
    verifier_file,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_audit_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.key"
    key = load_or_create_audit_key(path)
    assert len(key) == 32
    assert load_or_create_audit_key(path) == key
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert load_or_create_audit_key(tmp_path / "other.key") != key
    assert os.listdir(path.parent) == ["audit.key"]


def test_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.key"
    key = load_or_create_signing_key(path)
    assert load_or_create_signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert mode(path) == 0o600
    assert sorted(os.listdir(path.parent)) == ["signing.key", "signing.vkey"]


def test_public_half_stands_beside_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    key = load_or_create_signing_key(path)
    verifier = load_verifier_key(verifier_file(path))
    assert str(verifier) == str(VerifierKey.named_after(key.public_key()))
    assert open_note(sign_note("text\n", verifier.name, key), verifier) == "text\n"
    assert mode(verifier_file(path)) == 0o644
    verifier_file(path).unlink()
    load_or_create_signing_key(path)
    assert str(load_verifier_key(verifier_file(path))) == str(verifier)


def test_umask_does_not_open_a_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_audit_key(tmp_path / "audit.key")
        load_or_create_signing_key(tmp_path / "signing.key")
    finally:
        os.umask(before)
    assert mode(tmp_path / "audit.key") == mode(tmp_path / "signing.key") == 0o600


def test_racing_starters_agree(tmp_path: Path) -> None:
    for round_number in range(10):
        barrier = Barrier(8)
        directory = tmp_path / str(round_number)

        def start(barrier: Barrier = barrier, directory: Path = directory) -> tuple[bytes, bytes]:
            barrier.wait(30)
            signing = load_or_create_signing_key(directory / "signing.key").private_bytes_raw()
            return load_or_create_audit_key(directory / "audit.key"), signing

        with ThreadPoolExecutor(8) as pool:
            seen = {future.result() for future in [pool.submit(start) for _ in range(8)]}
        assert len(seen) == 1
        assert sorted(os.listdir(directory)) == ["audit.key", "signing.key", "signing.vkey"]


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o660])
def test_keys_that_others_can_touch_are_refused(tmp_path: Path, open_mode: int) -> None:
    audit, signing = tmp_path / "audit.key", tmp_path / "signing.key"
    load_or_create_audit_key(audit)
    load_or_create_signing_key(signing)
    audit.chmod(open_mode)
    signing.chmod(open_mode)
    with pytest.raises(KeyFileError, match="0600"):
        load_or_create_audit_key(audit)
    with pytest.raises(KeyFileError, match="0600"):
        load_or_create_signing_key(signing)


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 31, b"00" * 33, b"\xff\xfe"])
def test_files_without_a_key_are_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=path.stem):
        load_or_create_audit_key(path)
    with pytest.raises(KeyFileError, match=path.stem):
        load_or_create_signing_key(path)
    assert path.read_bytes() == content


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="Ed25519"):
        load_or_create_signing_key(path)


def test_a_public_half_of_another_key_is_refused(tmp_path: Path) -> None:
    load_or_create_signing_key(tmp_path / "one.key")
    load_or_create_signing_key(tmp_path / "two.key")
    (tmp_path / "one.vkey").write_text((tmp_path / "two.vkey").read_text())
    with pytest.raises(KeyFileError, match="not the public half"):
        load_or_create_signing_key(tmp_path / "one.key")
    (tmp_path / "one.vkey").write_text("nonsense\n")
    with pytest.raises(KeyFileError, match="verifier key"):
        load_or_create_signing_key(tmp_path / "one.key")
