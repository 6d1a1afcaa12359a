"""The keys that the platform signs with: the one in use, and those whose signatures are still believed.

The key directory holds the key in use (`audit-signing.pem`, its public half beside it) and `rotations.json`: for each
rotation a statement "this key follows that one in this log", signed by both. Trust goes along that chain, so a key
that somebody drops into the directory is believed by nobody. While two keys overlap, the older one's private half
stays in `retired/` and both sign the checkpoints; afterwards it is deleted.

The log keeps the name of its first key. With `GATEHOUSE_SIGNING_KEY_FILE` or `GATEHOUSE_SIGNING_COMMAND` the key in
use is kept elsewhere; nothing else changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from governance.audit.note import VerifierKey
from governance.bundle.facts import PublicKeys
from governance.bundle.verify import ROTATION_TYPE
from governance.canonical import canonical_bytes, rendered
from governance.signing import Envelope, InvalidEnvelope, Signer, key_id, opened, pae
from storage.audit_log.keys import (
    KeyFileError,
    create_signing_key,
    load_or_create_signing_key,
    load_signing_key,
    load_verifier_key,
    next_file,
    replace_file,
    verifier_file,
)
from storage.settings import Settings
from storage.signers import CommandSigner, FileSigner, public_key_from

SIGNING_KEY = "audit-signing.pem"
ROTATIONS = "rotations.json"
RETIRED = "retired"
OVERLAP = timedelta(days=7)


@dataclass(frozen=True)
class Rotation:
    """`following` follows `previous` from `at` on; until `until` both sign."""

    envelope: Envelope
    log: str
    previous: VerifierKey
    following: VerifierKey
    at: datetime
    until: datetime


@dataclass(frozen=True)
class Ring:
    """The keys of a log, in the order of their use. `current` is one of `chain`."""

    log: str
    current: VerifierKey
    rotations: tuple[Rotation, ...]

    @cached_property
    def believed(self) -> tuple[VerifierKey, ...]:
        """The key in use and every one that a chain of rotations connects with it."""
        found = {identity(self.current): self.current}
        grew = True
        while grew:
            grew = False
            for one in self.rotations:
                for known, other in ((one.previous, one.following), (one.following, one.previous)):
                    if identity(known) in found and identity(other) not in found:
                        found[identity(other)] = other
                        grew = True
        return tuple(found.values())

    def public(self) -> PublicKeys:
        ids = {identity(key) for key in self.believed}
        return PublicKeys(
            log=self.log,
            current=self.current,
            retired=self.believed[1:],
            rotations=[one.envelope for one in self.rotations if identity(one.previous) in ids],
        )


def identity(key: VerifierKey) -> str:
    return key_id(key.public.public_bytes_raw())


def signer_of(settings: Settings) -> Signer:
    """The key in use. Read anew whenever its file changed, so that a rotation needs no restart.

    Raises KeyFileError, OSError.
    """
    if settings.signing_command:
        return CommandSigner(settings.signing_command, public_key_from(settings.signing_public_key))
    path = Path(settings.signing_key_file) if settings.signing_key_file else settings.key_directory / SIGNING_KEY
    known = _signers.get(path)
    if known is not None and known[0] == _stamp(path):
        return known[1]
    private = load_signing_key(path) if settings.signing_key_file else load_or_create_signing_key(path)
    signer = FileSigner(private)
    _signers[path] = (_stamp(path), signer)
    return signer


_signers: dict[Path, tuple[tuple[int, int, int] | None, FileSigner]] = {}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_mode


def ring_of(settings: Settings) -> Ring:
    """Makes the key if there is none. Raises KeyFileError, OSError."""
    return _ring(settings.key_directory, signer_of(settings).public_key)


def public_ring(settings: Settings) -> Ring:
    """The same from the public halves alone; makes no key. Raises KeyFileError, OSError."""
    path = settings.key_directory / SIGNING_KEY
    if settings.signing_command or settings.signing_key_file or path.exists():
        return ring_of(settings)
    if verifier_file(path).exists():
        return _ring(settings.key_directory, load_verifier_key(verifier_file(path)).public.public_bytes_raw())
    raise KeyFileError(f"{path}, the key of the audit log's checkpoints, is not there.")


def believed_keys(settings: Settings) -> Mapping[str, bytes]:
    """Public key by id. Raises KeyFileError, OSError."""
    return {identity(key): key.public.public_bytes_raw() for key in ring_of(settings).believed}


def _ring(directory: Path, current: bytes) -> Ring:
    rotations = tuple(_read_rotations(directory))
    mine = [one for one in rotations if key_id(current) in (identity(one.previous), identity(one.following))]
    own = VerifierKey.named_after(_public(current))
    log = mine[0].log if mine else own.name
    return Ring(log, VerifierKey(log, own.public), tuple(one for one in rotations if one.log == log))


def _public(raw: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _read_rotations(directory: Path) -> list[Rotation]:
    """Those that both keys signed; whatever else stands in the file is not believed, and not repeated."""
    path = directory / ROTATIONS
    try:
        listed = json.loads(path.read_bytes())
        return [found for one in listed if (found := _rotation(one)) is not None]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path} is not a list of rotations.") from error


def _rotation(value: Any) -> Rotation | None:
    try:
        envelope = Envelope.from_json(value)
        told = json.loads(envelope.payload)
        previous, following = VerifierKey.parse(told["previous"]), VerifierKey.parse(told["next"])
        for key in (previous, following):
            public = {identity(key): key.public.public_bytes_raw()}
            if key.name != told["log"] or opened(envelope, ROTATION_TYPE, public) != envelope.payload:
                return None
        at, until = datetime.fromisoformat(told["from"]), datetime.fromisoformat(told["until"])
        return Rotation(envelope, told["log"], previous, following, at, until)
    except (InvalidEnvelope, ValueError, KeyError, TypeError):
        return None


def rotate(settings: Settings, at: datetime, *, overlap: timedelta = OVERLAP, to: Signer | None = None) -> Ring:
    """Let another key follow the one in use: a new one in the key directory, or `to`, which is kept elsewhere.

    Repeating a rotation that died finishes it. For `to`, the settings have to name the new key afterwards; until then
    the old one goes on signing. Raises KeyFileError, OSError, DependencyUnavailable.
    """
    directory, path = settings.key_directory, settings.key_directory / SIGNING_KEY
    ring, old = ring_of(settings), signer_of(settings)
    if to is None and (settings.signing_command or settings.signing_key_file):
        raise KeyFileError("The key is kept elsewhere: name the one that shall follow it.")
    if to is None:
        create_signing_key(next_file(path))
        new: Signer = FileSigner(load_signing_key(next_file(path)))
    else:
        new = to
    following = VerifierKey(ring.log, _public(new.public_key))
    if identity(following) == identity(ring.current):
        raise KeyFileError("That is the key in use already.")
    if identity(following) not in {identity(one.following) for one in ring.rotations}:
        statement = canonical_bytes(
            {
                "log": ring.log,
                "previous": str(ring.current),
                "next": str(following),
                "from": rendered(at),
                "until": rendered(at + overlap),
            }
        )
        signatures = {key_id(one.public_key): one.sign(pae(ROTATION_TYPE, statement)) for one in (old, new)}
        envelope = Envelope(ROTATION_TYPE, statement, signatures)
        listed = [*(one.envelope.to_json() for one in ring.rotations), envelope.to_json()]
        replace_file(directory / ROTATIONS, json.dumps(listed, indent=1).encode() + b"\n", 0o644)
    if to is None:
        replace_file(directory / RETIRED / f"{identity(ring.current)}.pem", path.read_bytes(), 0o600)
        replace_file(verifier_file(path), f"{following}\n".encode(), 0o644)
        next_file(path).replace(path)
    return ring_of(settings)


class PlatformKeys:
    """The keys of the platform's log for its sequencer (`storage.audit_log.sealing.NoteKeys`)."""

    def __init__(self, settings: Settings, clock: Any) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def log(self) -> str:
        return ring_of(self._settings).log

    def believed(self) -> tuple[VerifierKey, ...]:
        return ring_of(self._settings).believed

    def signers(self) -> tuple[Signer, ...]:
        """The key in use, and while they overlap the one before."""
        ring = ring_of(self._settings)
        found: list[Signer] = [signer_of(self._settings)]
        for one in ring.rotations:
            if identity(one.following) != identity(ring.current):
                continue
            path = self._settings.key_directory / RETIRED / f"{identity(one.previous)}.pem"
            if self._clock() >= one.until:
                path.unlink(missing_ok=True)
            elif path.exists():
                found.append(FileSigner(load_signing_key(path)))
        return tuple(found)


def strangers(settings: Settings) -> list[str]:
    """Names of files in `retired` that belong to no key that is believed."""
    folder = settings.key_directory / RETIRED
    known = {f"{identity(key)}.pem" for key in ring_of(settings).believed}
    return sorted(path.name for path in folder.glob("*") if path.name not in known) if folder.is_dir() else []
