#!/usr/bin/env python3
"""Checks a Gatehouse evidence bundle without network, without Gatehouse, with Python's standard library alone.

    python3 verify.py BUNDLE.zip --key 'gatehouse.audit/…+…+…' [--checkpoint FILE]

Python 3.9 or newer. Exit code 0: everything holds, 1: something does not and is named, 2: nothing could be checked.

The bundle carries public keys, but a forger can put keys there, too. Whether a key is the registry's has to be known
from elsewhere: give it by --key (the line of the registry's verifier key, or a file with it). Without --key the
bundle is only checked against itself, and the answer says so. With --checkpoint, an older signed checkpoint that you
kept, a log that has lost its tail or was rewritten since is found.

What is checked: that the archive is byte for byte what the registry writes (names, order, nothing added, nothing
hidden between or behind the members); each member against the manifest, the manifest against the signed statement;
every DSSE envelope (Ed25519, RFC 8032); that evidence, verdicts, policies, case, approvals and evaluations tell one
story; every audit entry's inclusion (RFC 6962) under the signed checkpoint, and that this checkpoint extends the
older one.
"""

# ruff: noqa: UP031, B905

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FORMAT = "gatehouse evidence bundle, version 1"
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
DECISION_TYPE = "application/vnd.gatehouse.decision+json"
ROTATION_TYPE = "application/vnd.gatehouse.key-rotation+json"
BUNDLE_PREDICATE = "urn:gatehouse:predicate:bundle:1"
DECISION_PREDICATE = "urn:gatehouse:predicate:decision:1"
SUMMARY_PREDICATE = "https://slsa.dev/verification_summary/v1"

MANIFEST = "manifest.json"
SEALING = (MANIFEST, "statements/bundle.dsse.json", "statements/bundle.pae", "statements/bundle.sig")
"""What the manifest cannot list: itself, and the statement about it. These come last."""

NEEDED = (
    "README.txt", "approvals.json", "audit/checkpoint", "audit/entries.ndjson", "audit/proofs.json", "case.json",
    "evaluations.json", "evidence.json", "keys/keys.json", "licences.json", "lineage.json", "policies.json",
    "report.html", "sbom.cdx.json", "statements/decision.dsse.json", "suites.json", "verdicts.json", "verify.py",
)  # fmt: skip

MEASURED = ("taskMetrics", "biasMetrics", "safetyMetrics", "robustnessMetrics", "conclusions")

LARGEST = 256 * 1024 * 1024
MOST_MEMBERS = 10_000
DEEPEST = 200


class Check(NamedTuple):
    """`subject`: the member, or `archive`, `key` and the like. `message`: what holds, or what does not."""

    ok: bool
    subject: str
    message: str


class Broken(Exception):
    """Something that must not be believed; the message says why."""


# --- Ed25519 (RFC 8032, section 5.1, in extended homogeneous coordinates) -------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)


def _add(p: Sequence[int], q: Sequence[int]) -> tuple[int, int, int, int]:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiplied(scalar: int, point: Sequence[int]) -> Sequence[int]:
    found: Sequence[int] = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point = _add(point, point)
        scalar >>= 1
    return found


def _point(raw: bytes) -> Sequence[int] | None:
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_G = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little")) or (0, 1, 1, 0)


def signed(public: bytes, data: bytes, signature: bytes) -> bool:
    """Did the holder of this key sign `data`?"""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment, scalar = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= _L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + data).digest(), "little") % _L
    left, right = _multiplied(scalar, _G), _add(commitment, _multiplied(challenge, key))
    return not ((left[0] * right[2] - right[0] * left[2]) % _P or (left[1] * right[2] - right[1] * left[2]) % _P)


# --- The archive: stored members, one spelling ------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_DAY = 0x0021  # 1 January 1980, the first day that the format knows


def _local(name: bytes, data: bytes) -> bytes:
    sizes = (zlib.crc32(data), len(data), len(data), len(name), 0)
    return struct.pack("<4s5H3I2H", _LOCAL, 20, 0, 0, 0, _DAY, *sizes) + name


def _central(name: bytes, data: bytes, offset: int) -> bytes:
    sizes = (zlib.crc32(data), len(data), len(data), len(name), 0, 0, 0, 0, 0o100644 << 16, offset)
    return struct.pack("<4s6H3I5H2I", _CENTRAL, 0x0314, 20, 0, 0, 0, _DAY, *sizes) + name


def _end(count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2IH", _END, 0, 0, count, count, size, offset, 0)


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """The one archive of these members, in this order."""
    parts: list[bytes] = []
    records: list[bytes] = []
    offset = 0
    for name, data in members:
        raw = name.encode("ascii")
        header = _local(raw, data)
        records.append(_central(raw, data, offset))
        parts += (header, data)
        offset += len(header) + len(data)
    directory = b"".join(records)
    return b"".join([*parts, directory, _end(len(records), len(directory), offset)])


def unpack(archive: bytes, checks: list[Check]) -> list[tuple[str, bytes]]:
    """The members as far as they can be read; everything that `pack` would write otherwise is added to `checks`."""
    members: list[tuple[str, bytes]] = []
    records: list[tuple[str, bytes]] = []
    seen: set[str] = set()
    offset, last = 0, "the beginning"

    def wrong(subject: str, message: str) -> None:
        checks.append(Check(False, subject, message))

    while archive[offset : offset + 4] == _LOCAL and len(members) < MOST_MEMBERS:
        header = archive[offset : offset + 30]
        if len(header) < 30:
            break
        fields = struct.unpack("<4s5H3I2H", header)
        size, length = fields[7], fields[9]
        raw = archive[offset + 30 : offset + 30 + length]
        name = raw.decode("latin-1")
        start = offset + 30 + length + fields[10]
        data = archive[start : start + size]
        if not _NAME.fullmatch(name) or len(name) > 200:
            wrong("archive", "the member name %r after %s is not one that a bundle has" % (name[:100], last))
        else:
            if name in seen:
                wrong(name, "is there twice")
            if len(data) < size:
                wrong(name, "the archive ends inside of it")
            if archive[offset:start] != _local(raw, data):
                wrong(
                    name, "its header in the archive is not as written (flags, method, sizes, checksum or extra data)"
                )
            seen.add(name)
            members.append((name, data))
            records.append((name, _central(raw, data, offset)))
        last, offset = name, start + size
    if archive[offset : offset + 4] != _CENTRAL:
        wrong("archive", "bytes that belong to no member stand at %d, after %s" % (offset, last))
        following = re.compile(re.escape(_LOCAL)).search(archive, offset)
        if following and len(checks) < MOST_MEMBERS:
            hidden = archive[following.start() + 30 : following.start() + 230].decode("latin-1")
            near = _NAME.match(hidden)
            wrong(near.group() if near else "archive", "its header in the archive does not follow the member before")
        return members
    begin = offset
    for name, record in records:
        if archive[offset : offset + len(record)] != record:
            wrong(name, "its record in the archive's directory is not as written")
        offset += len(record)
    if archive[offset:] != _end(len(records), offset - begin, begin):
        wrong("archive", "its end is not as written: data was added, a comment, or a directory record too many")
    return members


# --- Small readers ----------------------------------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unbase64(text: Any) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Broken("base64 that cannot be read") from None
    if base64.b64encode(raw).decode() != text:
        raise Broken("base64 in another spelling")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Broken("an object names a field twice")
    return found


def _refused(text: str) -> Any:
    raise Broken("%s is no JSON" % text)


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise Broken("it is not JSON") from None


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE, pre-authentication encoding, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    return sha256(public)


def verifier_key(text: str) -> tuple[str, bytes]:
    """(log name, 32 public bytes) of a verifier key line (C2SP signed note)."""
    name, _, rest = text.strip().partition("+")
    identifier, _, encoded = rest.partition("+")
    raw = _unbase64(encoded)
    if len(raw) != 33 or raw[:1] != b"\x01" or not name:
        raise Broken("it is not an Ed25519 verifier key")
    if note_id(name, raw[1:]).hex() != identifier:
        raise Broken("its id does not belong to its name and key")
    return name, raw[1:]


def note_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def opened(envelope: Any, payload_type: str, keys: Mapping[str, bytes]) -> tuple[bytes, set[str]]:
    """(payload, ids of the keys that signed it), if a key of `keys` did, and no signature of theirs is wrong."""
    try:
        kind, payload = envelope["payloadType"], _unbase64(envelope["payload"])
        signatures = [(item["keyid"], _unbase64(item["sig"])) for item in envelope["signatures"]]
        fields = (set(envelope), *(set(item) for item in envelope["signatures"]))
    except (KeyError, TypeError, AttributeError):
        raise Broken("it is not a DSSE envelope") from None
    if fields[0] != {"payloadType", "payload", "signatures"} or any(f != {"keyid", "sig"} for f in fields[1:]):
        raise Broken("it is not a DSSE envelope")
    if kind != payload_type:
        raise Broken("it is of type %r, not %r" % (kind, payload_type))
    known = [(name, value) for name, value in signatures if name in keys]
    if len(known) != len(signatures) or len({name for name, _ in known}) != len(known):
        raise Broken("it is signed by a key that is not believed, or twice by one")
    if not known:
        raise Broken("it is not signed")
    for name, value in known:
        if not signed(keys[name], pae(kind, payload), value):
            raise Broken("the signature by key %s is not over this payload" % name[:16])
    return payload, {name for name, _ in known}


_SIGNATURE_LINE = re.compile("— (\\S+) ([A-Za-z0-9+/]+={0,2})")


def checkpoint(note: bytes, log: str, keys: Mapping[str, bytes]) -> tuple[int, bytes]:
    """(size, root) of a signed checkpoint of `log`; every signature on it has to be by a key of `keys`."""
    try:
        text, separator, signatures = note.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise Broken("it is not a signed note") from None
    lines = text.split("\n")
    if not separator or not signatures.endswith("\n") or len(lines) != 3:
        raise Broken("it is not a signed checkpoint")
    by_id = {note_id(log, public): public for public in keys.values()}
    found = 0
    for line in signatures[:-1].split("\n"):
        match = _SIGNATURE_LINE.fullmatch(line)
        raw = _unbase64(match.group(2)) if match else b""
        if match is None or match.group(1) != log or raw[:4] not in by_id:
            raise Broken("a signature line is malformed, or by a key that is not believed")
        if not signed(by_id[raw[:4]], (text + "\n").encode(), raw[4:]):
            raise Broken("its signature is not over this text")
        found += 1
    if not found or lines[0] != log:
        raise Broken("it belongs to another log")
    root = _unbase64(lines[2])
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) or len(root) != 32:
        raise Broken("its size or root cannot be read")
    return int(lines[1]), root


# --- Merkle proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2) -------------------------------------------------


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = _node(sibling, result)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            result = _node(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def extends(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second:
        return False
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not hashes:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            older, newer = _node(sibling, older), _node(sibling, newer)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            newer = _node(newer, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and older == first_root and newer == second_root


# --- The bundle -------------------------------------------------------------------------------------------


class Verification:
    """One run over one bundle. `checks` tells everything; `vouched`: a key from outside was given."""

    def __init__(self, archive: bytes, keys: Sequence[str] = (), known: bytes | None = None) -> None:
        self.checks: list[Check] = []
        self.vouched = bool(keys)
        self._given = keys
        self._known = known
        self._log = ""
        self._keys: dict[str, bytes] = {}
        self._entries: dict[int, dict[str, Any]] = {}
        self._decision: dict[str, Any] = {}
        self._judged = False
        self.summary: dict[str, Any] = {}
        if len(archive) > LARGEST:
            self._no("archive", "is larger than %d bytes, which no bundle is" % LARGEST)
            return
        members = unpack(archive, self.checks)
        self._files = dict(reversed(members))
        if not self.checks:
            self._yes("archive", "is byte for byte what the registry writes: %d members" % len(members))
        self._step("keys/keys.json", self._believe)
        self._step(MANIFEST, lambda: self._manifest([name for name, _ in members]))
        for name in sorted(self._files):
            if name.startswith("statements/") and name.endswith(".dsse.json"):
                self._step(name, lambda name=name: self._statement(name))  # type: ignore[misc]
        if not self._decision:
            self._no("statements/decision.dsse.json", "there is no decision to compare anything with")
            return
        for name, look in (
            ("evidence.json", self._evidence),
            ("audit/checkpoint", self._log_of_entries),
            ("verdicts.json", self._verdicts),
            ("policies.json", self._policies),
            ("case.json", self._case),
            ("approvals.json", self._approvals),
            ("evaluations.json", self._evaluations),
            ("sbom.cdx.json", self._sbom),
        ):
            self._step(name, look)

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def _yes(self, subject: str, message: str) -> None:
        self.checks.append(Check(True, subject, message))

    def _no(self, subject: str, message: str) -> None:
        self.checks.append(Check(False, subject, message))

    def _step(self, subject: str, look: Callable[[], None]) -> None:
        """Whatever a forger writes comes out as something that does not hold, never as a crash."""
        try:
            look()
        except Broken as error:
            self._no(subject, str(error))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            self._no(subject, "it does not have the shape that it should (%s)" % type(error).__name__)

    def _member(self, name: str) -> bytes:
        if name not in self._files:
            raise Broken("it is missing" if name in SEALING or name in NEEDED else "%s is missing" % name)
        return self._files[name]

    # Keys

    def _believe(self) -> None:
        """Keys from outside, and whatever key a chain of rotations leads to from them."""
        told = parsed(self._member("keys/keys.json"))
        self._log = str(told["log"])
        rooted: dict[str, bytes] = {}
        for text in self._given:
            try:
                name, public = verifier_key(text)
            except Broken as error:
                self._no("key", "the key that you gave cannot be used: %s" % error)
                continue
            if name == self._log:
                rooted[key_id(public)] = public
            else:
                self._no("keys/keys.json", "the bundle is of the log %s, your key of %s" % (self._log[:100], name))
        every: dict[str, bytes] = {}
        for item in told["keys"]:
            name, public = verifier_key(item["vkey"])
            if name != self._log or key_id(public) != item["keyId"]:
                raise Broken("a key is not the one that it is called")
            if self._member(item["pem"]) != _pem(public):
                self._no(item["pem"], "it is another key than its verifier key line")
            every[item["keyId"]] = public
            if not self._given and item["use"] == "current":
                rooted[item["keyId"]] = public
        links = []
        for envelope in told["rotations"]:
            payload, by = opened(envelope, ROTATION_TYPE, every)
            statement = parsed(payload)
            pair = [key_id(verifier_key(statement[side])[1]) for side in ("previous", "next")]
            if set(pair) != by or len(by) != 2 or statement["log"] != self._log:
                raise Broken("a rotation is not signed by both the old and the new key")
            links.append(pair)
        grew = True
        while grew:
            grew = False
            for one, other in links:
                if (one in rooted) != (other in rooted):
                    rooted[one], rooted[other] = every[one], every[other]
                    grew = True
        self._keys = rooted
        for name in sorted(set(every) - set(rooted)):
            self._no("keys/keys.json", "nobody whom you believe vouches for the key %s" % name[:16])
        if rooted:
            whose = "by your key" if self._given else "by the bundle alone: nobody outside of it vouches for them"
            self._yes("keys/keys.json", "%d keys are believed, %s" % (len(rooted), whose))
        else:
            self._no("keys/keys.json", "no key is believed")

    # Manifest

    def _manifest(self, order: list[str]) -> None:
        manifest = parsed(self._member(MANIFEST))
        if manifest["format"] != FORMAT:
            raise Broken("it is of another format: %r" % (manifest["format"],))
        listed = {item["name"]: item for item in manifest["members"]}
        if len(listed) != len(manifest["members"]):
            raise Broken("it lists a member twice")
        before = len(self.checks)
        for name, item in listed.items():
            if name not in self._files:
                self._no(name, "is missing from the bundle")
            elif (len(self._files[name]), sha256(self._files[name])) != (item["size"], item["sha256"]):
                self._no(name, "is not what the manifest lists: its bytes were changed")
        for name in self._files:
            if name not in listed and name not in SEALING:
                self._no(name, "was added: the manifest does not list it")
        for name in SEALING:
            if name not in self._files:
                self._no(name, "is missing from the bundle")
        for name in NEEDED:
            if name not in listed:
                self._no(name, "is not listed, though every bundle has it")
        expected = [*listed, *SEALING]
        if len(self.checks) == before and order != expected:
            pairs = zip(order, expected)
            name, instead = next(((a, b) for a, b in pairs if a != b), (order[-1] if order else "nothing", "the end"))
            self._no(name, "stands where %s should" % instead)
        if len(self.checks) == before:
            self._yes(MANIFEST, "lists %d members, and each is as listed" % len(listed))

    # Statements

    def _statement(self, name: str) -> None:
        stem = name[: -len(".dsse.json")]
        envelope = parsed(self._files[name])
        if json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() != self._files[name]:
            raise Broken("it is not spelt as the registry writes it")
        payload, _ = opened(envelope, IN_TOTO, self._keys)
        for other, wanted in (
            (stem + ".pae", pae(IN_TOTO, payload)),
            (stem + ".sig", _unbase64(envelope["signatures"][0]["sig"])),
        ):
            if self._files.get(other) != wanted:
                self._no(other, "is missing" if other not in self._files else "is not that of %s" % name)
        statement = parsed(payload)
        if statement["_type"] != STATEMENT:
            raise Broken("it is not an in-toto statement")
        predicate, kind = statement["predicate"], statement["predicateType"]
        expected = {
            "statements/bundle": BUNDLE_PREDICATE,
            "statements/decision": DECISION_PREDICATE,
            "statements/summary": SUMMARY_PREDICATE,
        }.get(stem)
        if kind != expected:
            raise Broken("it is a statement of type %r, which does not belong here" % kind)
        if kind == BUNDLE_PREDICATE:
            if statement["subject"] != [{"name": MANIFEST, "digest": {"sha256": sha256(self._member(MANIFEST))}}]:
                self._no(MANIFEST, "is not the one that %s signs" % name)
        else:
            self._subjects(name, statement["subject"])
        if kind == DECISION_PREDICATE:
            self._decision = self.summary = predicate
        if kind == SUMMARY_PREDICATE and "statements/decision.dsse.json" in self._files:
            told = _payload(self._files["statements/decision.dsse.json"])["predicate"]
            if (predicate["verificationResult"] == "PASSED") != (told["status"] == "applied"):
                raise Broken("its result is not that of the decision")
        self._yes(name, "is signed, and about what it should be")

    def _subjects(self, name: str, subjects: Any) -> None:
        evidence = parsed(self._member("evidence.json"))
        artifacts = evidence["subject"]["artifacts"]
        wanted = [{"name": item["id"], "digest": {"sha256": item["sha256"]}} for item in artifacts]
        if subjects != (
            wanted or [{"name": "evidence.json", "digest": {"sha256": sha256(self._member("evidence.json"))}}]
        ):
            raise Broken("its subjects are not the artifacts of the evidence")

    # Content

    def _evidence(self) -> None:
        if "sha256:" + sha256(self._member("evidence.json")) != self._decision["evidenceDigest"]:
            raise Broken("its digest is not the one that was decided about")
        self._yes("evidence.json", "has the digest that the decision names: %s" % self._decision["evidenceDigest"])

    def _log_of_entries(self) -> None:
        size, root = checkpoint(self._member("audit/checkpoint"), self._log, self._keys)
        self._yes("audit/checkpoint", "is signed and covers %d entries" % size)
        self._step("audit/proofs.json", lambda: self._proofs(size, root))
        self._step("audit/entries.ndjson", self._compare_entries)
        if self._known is not None:
            self._step("audit/checkpoint", lambda: self._against_known(size, root))

    def _proofs(self, size: int, root: bytes) -> None:
        proofs = parsed(self._member("audit/proofs.json"))
        lines = self._member("audit/entries.ndjson").split(b"\n")
        if lines[-1:] != [b""]:
            self._no("audit/entries.ndjson", "its last line is cut")
        rows = []
        for number, line in enumerate(lines[:-1], 1):
            try:
                row = parsed(line)
                rows.append((row["seq"], row["entry"].encode()))
            except (Broken, KeyError, TypeError, AttributeError):
                self._no("audit/entries.ndjson", "line %d cannot be read" % number)
        if (proofs["size"], proofs["root"]) != (size, root.hex()):
            raise Broken("its proofs are for another checkpoint")
        paths = {item["seq"]: item for item in proofs["entries"]}
        signed_entries = {item["seq"]: item["leaf"] for item in self._decision["audit"]["entries"]}
        before = len(self.checks)
        last = -1
        for seq, text in rows:
            where = "entry %s" % seq
            leaf = hashlib.sha256(b"\x00" + text).digest()
            proof = paths.get(seq)
            if not isinstance(seq, int) or seq <= last:
                self._no("audit/entries.ndjson", "%s is there twice or out of order" % where)
                continue
            last = seq
            if signed_entries.get(seq) != leaf.hex():
                self._no("audit/entries.ndjson", "%s was changed, moved or added" % where)
            elif proof is None or not included(leaf, seq, size, [bytes.fromhex(one) for one in proof["path"]], root):
                self._no("audit/proofs.json", "%s is not shown to be in the log" % where)
            else:
                self._entries[seq] = parsed(text)
        for seq in sorted(set(signed_entries) - {row[0] for row in rows}):
            self._no("audit/entries.ndjson", "entry %d is missing" % seq)
        for seq in sorted(set(paths) ^ set(signed_entries)):
            self._no("audit/proofs.json", "entry %d: a proof is missing, or too many" % seq)
        if len(self.checks) == before:
            self._yes("audit/entries.ndjson", "%d entries, each proved to be in the log" % len(rows))
        older = proofs["consistency"]
        if ("audit/checkpoint-older" in self._files) != (older is not None):
            raise Broken("audit/checkpoint-older and its proof do not belong together")
        if older is not None:
            self._step("audit/checkpoint-older", lambda: self._older(older, size, root))

    def _older(self, proof: Any, size: int, root: bytes) -> None:
        first, first_root = checkpoint(self._member("audit/checkpoint-older"), self._log, self._keys)
        path = [bytes.fromhex(one) for one in proof["path"]]
        if proof["first"] != first or not extends(first, size, first_root, root, path):
            raise Broken("the newer checkpoint is not shown to extend it")
        self._yes("audit/checkpoint-older", "covers %d entries, and the newer checkpoint extends it" % first)

    def _against_known(self, size: int, root: bytes) -> None:
        try:
            known, known_root = checkpoint(self._known or b"", self._log, self._keys)
        except Broken as error:
            self._no("--checkpoint", "the checkpoint that you gave cannot be used: %s" % error)
            return
        if known > size:
            raise Broken("the log's tail is cut: you know %d entries, the bundle only %d" % (known, size))
        if known == size:
            if known_root != root:
                raise Broken("the log was rewritten: another root for %d entries than you know" % size)
            self._yes("audit/checkpoint", "is the one that you know")
            return
        proofs = parsed(self._member("audit/proofs.json"))
        if known == 0:
            path: Sequence[bytes] | None = []
        else:
            candidates = [one for one in (proofs["consistency"], proofs.get("since")) if one and one["first"] == known]
            path = [bytes.fromhex(one) for one in candidates[0]["path"]] if candidates else None
        if path is None:
            self._no(
                "--checkpoint",
                "the bundle has no proof from %d entries on; export it again with --since %d" % (known, known),
            )
        elif known and not extends(known, size, known_root, root, path):
            raise Broken("the log was rewritten: it does not extend the checkpoint of %d entries that you know" % known)
        else:
            self._yes("audit/checkpoint", "extends the one of %d entries that you know" % known)

    def _compare_entries(self) -> None:
        """The settlement in the log is the one in the bundle."""
        request, status = self._decision["requestId"], self._decision["status"]
        ours = [one for one in self._entries.values() if one["subject"] == {"kind": "request", "id": request}]
        if not any(one["action"] == "request:opened" for one in ours):
            raise Broken("no entry tells that the request was opened")
        if status in ("applied", "denied", "withdrawn"):
            ended = {"request:" + status, *(["request:expired"] if status == "denied" else [])}  # by time, or by a gate
            ends = [one for one in ours if one["action"] in ended]
            if len(ends) != 1:
                raise Broken("no entry tells that the request was %s" % status)
            end = ends[0]
            if status != "withdrawn":
                if end["digest"] != self._decision["evidenceDigest"]:
                    raise Broken("the log tells of other evidence")
                if end["after"]["outcome"] != self._decision["outcome"]:
                    raise Broken("the log tells of another outcome")
                gates = [{k: g[k] for k in ("policy", "policyVersion", "outcome")} for g in end["details"]["verdicts"]]
                if gates != self._decision["gates"]:
                    raise Broken("the log tells of other verdicts")
        self._yes("audit/entries.ndjson", "tells the same story as the decision")

    def _verdicts(self) -> None:
        verdicts = parsed(self._member("verdicts.json"))
        if [{k: one[k] for k in ("policy", "policyVersion", "outcome")} for one in verdicts] != self._decision["gates"]:
            raise Broken("its verdicts are not those of the decision")
        self._yes("verdicts.json", "%d gates, as the decision names them" % len(verdicts))

    def _policies(self) -> None:
        policies, evidence = parsed(self._member("policies.json")), parsed(self._member("evidence.json"))
        if policies != evidence["subject"]["policies"]:
            raise Broken("its policies are not those frozen in the evidence")
        known = {(one["name"], one["version"]) for one in policies}
        for one in self._decision["gates"]:
            if (one["policy"], one["policyVersion"]) not in known:
                raise Broken("gate %s judged by a version that the evidence does not hold" % one["policy"])
        self._yes("policies.json", "%d policies, as frozen in the evidence" % len(policies))

    def _case(self) -> None:
        raw = self._member("case.json")
        case = parsed(raw)
        if case is None:
            if self._decision["status"] in ("applied", "denied"):
                raise Broken("a settled request has a case")
            self._yes("case.json", "the request is not settled by its gates, so there is none")
            return
        if case["evidence"] != parsed(self._member("evidence.json")):
            raise Broken("its evidence is not the frozen one")
        ends = [one for one in self._entries.values() if one["details"].get("judgedCase")]
        ours = [one for one in ends if one["subject"]["id"] == self._decision["requestId"]]
        if not ours or any(one["details"]["judgedCase"] != "sha256:" + sha256(raw) for one in ours):
            raise Broken("it is not the case whose digest the log holds")
        overridden = self._audit_entries_of_overrides()
        for name, version in case["waived"]:
            if (name, version, self._decision["evidenceDigest"]) not in overridden:
                raise Broken("no entry tells that two people overrode %s" % name)
        self._judged = True
        self._yes("case.json", "is the case that was judged: the log holds its digest")

    def _audit_entries_of_overrides(self) -> list[tuple[str, int, str]]:
        """(policy, version, evidence digest) of every override of this request that the log tells of."""
        return [
            (one["after"]["policy"], one["after"]["policyVersion"], one["digest"])
            for one in self._entries.values()
            if one["action"] == "override:confirmed" and one["subject"]["id"] == self._decision["requestId"]
        ]

    def _approvals(self) -> None:
        rows = parsed(self._member("approvals.json"))
        told = [{k: row[k] for k in ("approverId", "decision", "evidenceDigest", "at")} for row in rows]
        if told != self._decision["approvals"]:
            raise Broken("its decisions are not those of the statement")
        logged = [
            (one["actor"]["id"], one["after"]["decision"], one["after"]["comment"], one["digest"], one["at"])
            for one in self._entries.values()
            if one["subject"]["id"] == self._decision["requestId"]
            and isinstance(one["after"], dict)
            and {"decision", "comment"} <= set(one["after"])
        ]
        sealed = 0
        for row in rows:
            who = "the decision of %s" % row["approverName"]
            if (row["approverId"], row["decision"], row["comment"], row["evidenceDigest"], row["at"]) not in logged:
                raise Broken("%s is not in the log" % who)
            if row["envelope"] is None:
                if self._judged:
                    raise Broken("%s is not signed" % who)
            else:
                payload, _ = opened(row["envelope"], DECISION_TYPE, self._keys)
                statement = parsed(payload)
                same = (
                    "approverId", "approverName", "decision", "comment", "evidenceDigest", "requestId", "at",
                    "onBehalfOf",
                )  # fmt: skip
                if any(statement[k] != row[k] for k in same) or statement["approvalId"] != row["id"]:
                    raise Broken("%s is not what was signed" % who)
                sealed += 1
        self._yes("approvals.json", "%d decisions, each in the log; %d signed on their own" % (len(rows), sealed))

    def _evaluations(self) -> None:
        runs = {one["id"]: one for one in parsed(self._member("evaluations.json"))}
        suites = {one["id"]: one for one in parsed(self._member("suites.json"))}
        for item in parsed(self._member("evidence.json"))["subject"]["evaluations"]:
            suite, run = suites[item["suiteId"]], runs.get(item["evaluationId"])
            if suite["digest"] != item["suiteDigest"]:
                raise Broken("suite %s is not the one in the evidence" % item["suiteName"])
            if item["evaluationId"] is not None:
                results = (run or {}).get("results") or {}
                told = [one for one in MEASURED if one in item]
                if run is None or any(results.get(one, {}) != item[one] for one in told):
                    raise Broken("the results of suite %s are not those in the evidence" % item["suiteName"])
                if (run["weightsSha256"], run["outcomesSha256"]) != (item["weightsSha256"], item["outcomesSha256"]):
                    raise Broken("suite %s was run on other weights" % item["suiteName"])
                if run.get("endpointDigest") != item.get("endpointDigest"):
                    raise Broken("suite %s was run through another endpoint" % item["suiteName"])
        self._yes("evaluations.json", "%d runs of %d suites, as in the evidence" % (len(runs), len(suites)))

    def _sbom(self) -> None:
        named = set()
        for component in parsed(self._member("sbom.cdx.json"))["components"]:
            for one in component.get("hashes", ()):
                named.add(one["content"])
        for item in parsed(self._member("evidence.json"))["subject"]["artifacts"]:
            if item["sha256"] not in named:
                raise Broken("it does not name the artifact %s" % item["id"])
        self._yes("sbom.cdx.json", "names every artifact of the evidence")


def _payload(envelope: bytes) -> Any:
    return parsed(_unbase64(parsed(envelope)["payload"]))


def _pem(public: bytes) -> bytes:
    """SubjectPublicKeyInfo of an Ed25519 key (RFC 8410)."""
    body = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + public)
    return b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----\n"


def _key_text(given: str) -> str:
    if "+" in given and not os.path.exists(given):
        return given
    with open(given, encoding="utf-8") as file:
        return file.read()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a Gatehouse evidence bundle, offline.")
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", default=[], help="verifier key of the registry, or a file with it")
    parser.add_argument("--checkpoint", help="file with a signed checkpoint that you know")
    options = parser.parse_args(arguments)
    try:
        if os.path.getsize(options.bundle) > LARGEST:
            raise OSError("%s is larger than any bundle" % options.bundle)
        with open(options.bundle, "rb") as file:
            archive = file.read()
        known = None
        if options.checkpoint:
            with open(options.checkpoint, "rb") as file:
                known = file.read(65536)
        keys = [_key_text(one) for one in options.key]
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write("Nothing could be checked: %s\n" % error)
        return 2
    found = Verification(archive, keys, known)
    write = sys.stdout.write
    for check in found.checks:
        write("%s  %s: %s\n" % ("ok    " if check.ok else "FAILED", check.subject, check.message))
    if not found.ok:
        failed = [check.subject for check in found.checks if not check.ok]
        write("\nThis bundle does not hold: %s.\n" % ", ".join(dict.fromkeys(failed)))
        return 1
    if found.vouched:
        write("\nEverything holds.\n")
    else:
        write("\nThe bundle agrees with itself. Nobody outside of it vouches for its keys: give --key.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
