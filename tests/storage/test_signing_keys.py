"""Keys follow each other: what was signed stays valid, and only a key that the one before vouches for is believed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from governance.audit.checkpoint import Checkpoint
from governance.audit.note import InvalidNoteError, VerifierKey
from governance.audit.report import Kind
from governance.errors import DependencyUnavailable
from governance.signing import DECISION, InvalidEnvelope, opened, sealed
from storage.audit_log import keys as key_files
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.keys import KeyFileError, load_verifier_key
from storage.audit_log.running import believed_notes, sequencer_of, verify_platform
from storage.bundles import export
from storage.settings import Settings, SettingsError
from storage.signers import CommandSigner, FileSigner, public_key_from
from storage.signing_keys import (
    OVERLAP,
    PlatformKeys,
    believed_keys,
    identity,
    public_ring,
    ring_of,
    rotate,
    signer_of,
    strangers,
)
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import bring, model_with_version
from tests.storage.bundles.exporting import drain, failed

AT = datetime(2026, 3, 2, tzinfo=UTC)

# Signs as an HSM's tool would: reads what is to be signed, writes 64 bytes.
TOOL = """
import sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
key = load_pem_private_key(open(sys.argv[1], "rb").read(), None)
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def pem_file(path: Path) -> Path:
    private = Ed25519PrivateKey.generate()
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def with_command(settings: Settings, folder: Path, program: str = TOOL) -> Settings:
    tool, key = folder / "tool.py", pem_file(folder / "hsm.pem")
    tool.write_text(program)
    private = key_files.load_signing_key(key)
    public = folder / "hsm.pub"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = f"{sys.executable} {tool} {key}"
    return replace(settings, signing_command=command, signing_public_key=str(public))


def test_rotating_keeps_the_log_its_name_and_old_signatures_their_value(settings: Settings) -> None:
    first = ring_of(settings)
    envelope = sealed(signer_of(settings), DECISION, {"n": 1})
    second = rotate(settings, AT)
    third = rotate(settings, AT + timedelta(days=30))
    assert first.log == second.log == third.log == first.current.name
    assert {identity(key) for key in third.believed} == {identity(one.current) for one in (first, second, third)}
    assert opened(envelope, DECISION, believed_keys(settings)) == envelope.payload
    newer = sealed(signer_of(settings), DECISION, {"n": 2})
    assert opened(newer, DECISION, {identity(third.current): third.current.public.public_bytes_raw()})
    assert str(load_verifier_key(settings.key_directory / "audit-signing.vkey")) == str(third.current)
    assert stat.S_IMODE((settings.key_directory / "audit-signing.pem").stat().st_mode) == 0o600
    assert [one.until - one.at for one in third.rotations] == [OVERLAP, OVERLAP]


def test_both_keys_sign_while_they_overlap(settings: Settings) -> None:
    clock = [AT]
    platform_keys = PlatformKeys(settings, lambda: clock[0])
    assert len(platform_keys.signers()) == 1
    first = ring_of(settings).current
    second = rotate(settings, AT, overlap=timedelta(days=2)).current
    note = Checkpoint(platform_keys.log, 3, bytes(32)).signed(*platform_keys.signers())
    for key in (first, second):  # whoever knows only the old key, or only the new one
        assert Checkpoint.opened(note, key).size == 3
    old = settings.key_directory / "retired" / f"{identity(first)}.pem"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    clock[0] += timedelta(days=2)
    later = Checkpoint(platform_keys.log, 4, bytes(32)).signed(*platform_keys.signers())
    assert not old.exists()
    assert Checkpoint.opened(later, second).size == 4
    with pytest.raises(InvalidNoteError):
        Checkpoint.opened(later, first)
    broken = note.replace("\n— ", "\n— ", 1).splitlines()
    broken[-1] = broken[-1][:-8] + "AAAAAAA="
    with pytest.raises(InvalidNoteError):
        Checkpoint.opened("\n".join(broken) + "\n", (first, second))


def test_a_key_that_nobody_vouches_for_is_not_believed(settings: Settings, tmp_path: Path) -> None:
    ring = rotate(settings, AT)
    folder = settings.key_directory / "retired"
    stranger = pem_file(folder / "0123.pem")
    foreign = FileSigner(key_files.load_signing_key(stranger))
    assert strangers(settings) == ["0123.pem"]
    assert set(believed_keys(settings)) == {identity(key) for key in ring.believed}
    with pytest.raises(InvalidEnvelope):
        opened(sealed(foreign, DECISION, {}), DECISION, believed_keys(settings))

    # Statements that were edited, signed by one side only, or made up with another log's keys.
    file = settings.key_directory / "rotations.json"
    honest = json.loads(file.read_text())
    other = Settings(home=tmp_path / "other")
    rotate(other, AT)
    theirs = json.loads((other.key_directory / "rotations.json").read_text())
    one_sided = [{**honest[0], "signatures": honest[0]["signatures"][:1]}]
    words = b64decode(honest[0]["payload"]).replace(b"2026-03-09", b"2099-03-09")
    edited = [{**honest[0], "payload": b64encode(words).decode()}]
    file.write_text(json.dumps([*honest, *theirs, "nonsense", {}, None]))
    assert set(believed_keys(settings)) == {identity(key) for key in ring.believed}
    for forged in (one_sided, edited, []):
        file.write_text(json.dumps(forged))
        assert set(believed_keys(settings)) == {identity(ring.current)}
    file.write_text("{")
    with pytest.raises(KeyFileError, match="rotations"):
        believed_keys(settings)


@pytest.mark.parametrize("dies_at", range(1, 5))
def test_a_rotation_that_dies_is_finished(settings: Settings, monkeypatch: pytest.MonkeyPatch, dies_at: int) -> None:
    """After each file that it writes, the platform goes on with a believed key, and rotating again works."""
    first = ring_of(settings)
    envelope = sealed(signer_of(settings), DECISION, {})
    steps = [0]

    class DiedError(Exception): ...

    def dying(real: object) -> object:
        def step(*arguments: object, **options: object) -> object:
            steps[0] += 1
            if steps[0] == dies_at:
                raise DiedError
            return real(*arguments, **options)  # type: ignore[operator]

        return step

    with monkeypatch.context() as patch:
        patch.setattr("storage.signing_keys.replace_file", dying(key_files.replace_file))
        patch.setattr(Path, "replace", dying(Path.replace))
        with pytest.raises(DiedError):
            rotate(settings, AT)
    between = ring_of(settings)
    assert between.log == first.log
    assert opened(envelope, DECISION, believed_keys(settings)) == envelope.payload
    assert opened(sealed(signer_of(settings), DECISION, {}), DECISION, believed_keys(settings))
    done = rotate(settings, AT)
    assert identity(done.current) != identity(first.current)
    assert opened(envelope, DECISION, believed_keys(settings)) == envelope.payload
    assert not list(settings.key_directory.glob("*.next.pem"))


def test_the_audit_log_and_bundles_go_on_over_a_rotation(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = model_with_version(r)
    request = bring(r, model, "1.0.0", "approve_staging")
    drain(r)
    old = str(public_ring(r.settings).current)
    before = export(r.platform, r.dev, request.id)[1]
    assert verify_platform(r.platform).ok
    rotate(r.settings, r.at, overlap=timedelta(0))
    assert verify_platform(r.platform).ok
    r.version(model, "2.0.0")
    drain(r)
    assert verify_platform(r.platform).ok
    new = str(public_ring(r.settings).current)
    assert new != old
    newest = CheckpointFiles(r.settings.audit_directory).snapshot().newest
    assert newest is not None
    assert Checkpoint.opened(newest, VerifierKey.parse(new))
    after = export(r.platform, r.dev, request.id)[1]
    for key in (old, new):  # whoever knows either key follows the chain to the other
        assert failed(after, key) == {}
    assert failed(before, old) == {}
    assert "keys/keys.json" in failed(before, new), "nothing in it tells of a key that came later"
    # Without the private half, as on another machine: the public files are enough.
    (r.settings.key_directory / "audit-signing.pem").unlink()
    assert verify_platform(r.platform).ok
    (r.settings.key_directory / "rotations.json").unlink()
    assert Kind.CHECKPOINT in {finding.kind for finding in verify_platform(r.platform).findings}


def test_a_running_sequencer_signs_with_the_new_key(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    sequencer = sequencer_of(r.platform)
    r.model()
    sequencer.drain()
    second = rotate(r.settings, datetime.now(UTC)).current
    r.model()
    sequencer.drain()
    newest = CheckpointFiles(r.settings.audit_directory).snapshot().newest or ""
    assert newest.count("\n— ") == 2
    assert Checkpoint.opened(newest, second).size > 0
    assert identity(second) in r.platform.believed_keys
    assert r.platform.signer.public_key == second.public.public_bytes_raw()


def test_a_key_file_elsewhere(settings: Settings, tmp_path: Path) -> None:
    outside = pem_file(tmp_path / "outside.pem")
    chosen = Settings.load({"GATEHOUSE_SIGNING_KEY_FILE": str(outside)}, tmp_path / "home")
    public = key_files.load_signing_key(outside).public_key().public_bytes_raw()
    assert signer_of(chosen).public_key == public
    assert not (chosen.key_directory / "audit-signing.pem").exists()
    outside.chmod(0o640)
    with pytest.raises(KeyFileError, match="0600"):
        signer_of(chosen)
    outside.unlink()
    with pytest.raises((KeyFileError, OSError)):
        signer_of(chosen)


def test_a_command_signs_the_log_and_the_bundle(registry_under_test: RegistryUnderTest, tmp_path: Path) -> None:
    """From the start on; and the private half is nowhere in the platform's directory."""
    r = registry_under_test
    chosen = with_command(r.settings, tmp_path)
    object.__setattr__(r.platform, "settings", chosen)
    request = bring(r, model_with_version(r), "1.0.0", "submit")
    drain(r)
    assert verify_platform(r.platform).ok
    archive = export(r.platform, r.dev, request.id)[1]
    assert failed(archive, str(believed_notes(r.platform)[0])) == {}
    assert not (chosen.key_directory / "audit-signing.pem").exists()


def test_moving_the_key_to_a_command_is_a_rotation(settings: Settings, tmp_path: Path) -> None:
    first = ring_of(settings)
    envelope = sealed(signer_of(settings), DECISION, {})
    chosen = with_command(settings, tmp_path)
    to = CommandSigner(chosen.signing_command, public_key_from(chosen.signing_public_key))
    rotate(settings, AT, to=to)
    assert signer_of(settings).public_key == first.current.public.public_bytes_raw(), "until the settings name it"
    moved = ring_of(chosen)
    assert moved.log == first.log
    assert opened(envelope, DECISION, believed_keys(chosen)) == envelope.payload
    assert opened(sealed(signer_of(chosen), DECISION, {}), DECISION, believed_keys(settings))
    with pytest.raises(KeyFileError, match="elsewhere"):
        rotate(chosen, AT)
    with pytest.raises(KeyFileError, match="in use already"):
        rotate(chosen, AT, to=to)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import time; time.sleep(60)", "did not answer"),
        ("raise SystemExit(3)", "code 3"),
        ("print('hello')", "signature"),
        ("import sys; sys.stdout.buffer.write(bytes(64))", "signature"),
        ("", "signature"),
    ],
)
def test_a_command_that_fails_is_a_dependency_that_fails(
    settings: Settings, tmp_path: Path, program: str, why: str
) -> None:
    chosen = with_command(settings, tmp_path, program)
    signer = CommandSigner(
        chosen.signing_command + " secret-pin", public_key_from(chosen.signing_public_key), seconds=1.0
    )
    with pytest.raises(DependencyUnavailable, match=why) as refused:
        signer.sign(b"data")
    assert "secret-pin" not in str(refused.value)
    assert "secret-pin" not in repr(replace(chosen, signing_command=chosen.signing_command + " secret-pin"))


def test_a_log_whose_key_cannot_be_reached_is_signed_later(
    registry_under_test: RegistryUnderTest, tmp_path: Path
) -> None:
    """Nothing is lost: entries are ordered meanwhile, and the next checkpoint covers them."""
    r = registry_under_test
    chosen = with_command(r.settings, tmp_path)
    object.__setattr__(r.platform, "settings", chosen)
    tool = tmp_path / "tool.py"
    tool.write_text("raise SystemExit(1)")
    r.model()
    with pytest.raises(DependencyUnavailable):
        drain(r)
    assert CheckpointFiles(chosen.audit_directory).snapshot().newest is None
    assert {one.kind for one in verify_platform(r.platform).findings} == {Kind.UNSEALED}
    tool.write_text(TOOL)
    drain(r)
    assert verify_platform(r.platform).ok


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    signer = CommandSigner(f"{shutil.which('true')} ; touch {tmp_path / 'made'}", public)
    with pytest.raises(DependencyUnavailable):
        signer.sign(b"")
    assert os.listdir(tmp_path) == []
    with pytest.raises(DependencyUnavailable, match="started"):
        CommandSigner(str(tmp_path / "absent"), public).sign(b"")
    with pytest.raises(KeyFileError):
        CommandSigner("unbalanced '", public)


@pytest.mark.parametrize(
    "environment",
    [
        {"GATEHOUSE_SIGNING_COMMAND": "hsm"},
        {"GATEHOUSE_SIGNING_COMMAND": "hsm", "GATEHOUSE_SIGNING_PUBLIC_KEY": "x", "GATEHOUSE_SIGNING_KEY_FILE": "y"},
    ],
)
def test_settings_that_contradict_are_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="SIGNING_COMMAND"):
        Settings.load(environment, tmp_path)


def test_public_keys_come_in_three_forms(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    pem = tmp_path / "key.pem"
    pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    raw = public.public_bytes_raw()
    for text in (str(pem), str(VerifierKey.named_after(public)), b64encode(raw).decode()):
        assert public_key_from(text) == raw
    for nonsense in ("", "x", "gatehouse+1+2", b64encode(raw[:31]).decode()):
        with pytest.raises(KeyFileError):
            public_key_from(nonsense)
