"""Small honest logs for tests, and the same rows in a form that can be tampered with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.chain import GENESIS, Head, link
from governance.audit.checkpoint import Checkpoint
from governance.audit.entry import Draft, Entry, draft
from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.merkle import CompactRange
from governance.audit.note import VerifierKey
from governance.audit.report import Report
from governance.audit.verification import verify

AUDIT_KEY = hashlib.sha256(b"audit key of the tests").digest()
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"signing key of the tests").digest())
VERIFIER = VerifierKey.named_after(SIGNING_KEY.public_key())


def event(number: int, **changes: object) -> AuditEvent:
    """The `number`-th sample event; no two are alike."""
    sample = AuditEvent(
        id=f"0199-{number:08d}",
        at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC) + timedelta(seconds=number),
        actor=Actor("user", f"user-{number % 7}", "Ann Example"),
        action="version:state:changed",
        subject=Subject("version", f"version-{number % 40}"),
        request_id=f"request-{number}",
        before={"state": "draft", "revision": number},
        after={"state": "submitted", "revision": number + 1},
        digest="sha256:" + hashlib.sha256(str(number).encode()).hexdigest(),
        details={"reason": f"because {number}"},
    )
    return replace(sample, **changes)  # type: ignore[arg-type]


def drafts(count: int, start: int = 0) -> list[Draft]:
    return [draft(event(number), AUDIT_KEY) for number in range(start, start + count)]


def chained(rows: Sequence[Draft]) -> list[Entry]:
    """`rows` as the sequencer would store them."""
    _, values = Head.empty().extended([row.leaf for row in rows])
    return [Entry(seq, *row, value) for seq, (row, value) in enumerate(zip(rows, values, strict=True))]


def head_of(entries: Iterable[Entry]) -> Head:
    tree, last = CompactRange(), GENESIS
    for row in entries:
        tree.append(row.leaf)
        last = row.chain
    return Head(tree.size, last, tree.frontier)


def rehashed(entries: Iterable[Entry]) -> list[Entry]:
    """Numbers and chain values made to fit the contents: what an attacker with all SQL rights can do."""
    rows, previous = [], GENESIS
    for seq, row in enumerate(entries):
        previous = link(previous, seq, row.leaf)
        rows.append(row._replace(seq=seq, chain=previous))
    return rows


def signed(leaves: Sequence[bytes], size: int, key: Ed25519PrivateKey = SIGNING_KEY) -> str:
    root = Head.empty().extended(leaves[:size])[0].root()
    return Checkpoint(VERIFIER.name, size, root).signed(key)


@dataclass
class History:
    """A log with everything around it. Change any field, then ask for the `report`."""

    entries: list[Entry]
    head: Head | None
    notes: list[str]
    newest: str | None
    outbox: list[tuple[int, Draft]] = field(default_factory=list)
    repeated: list[tuple[int, ...]] = field(default_factory=list)
    mac_key: bytes | None = AUDIT_KEY

    @classmethod
    def honest(cls, count: int, sealed_at: Sequence[int] = ()) -> History:
        """`count` entries, checkpoints at the sizes `sealed_at` and at the end."""
        entries = chained(drafts(count))
        leaves = [row.leaf for row in entries]
        sizes = sorted({size for size in sealed_at if size < count} | {count}) if count else []
        notes = [signed(leaves, size) for size in sizes]
        return cls(entries, head_of(entries), notes, notes[-1] if notes else None)

    def copy(self) -> History:
        return replace(
            self,
            entries=list(self.entries),
            notes=list(self.notes),
            outbox=list(self.outbox),
            repeated=list(self.repeated),
        )

    def report(self) -> Report:
        return verify(
            sorted(self.entries, key=lambda row: row.seq),
            self.notes,
            public_key=VERIFIER,
            mac_key=self.mac_key,
            head=self.head,
            newest=self.newest,
            outbox=self.outbox,
            repeated=self.repeated,
        )
