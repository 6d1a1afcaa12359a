"""The answer of a verification: what was looked at, and everything that does not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

MOST_FINDINGS = 1000
"""Findings that are listed; the rest is counted, so that a ruined log does not become a ruined memory."""


class Kind(StrEnum):
    EDITED = "edited"  # text, leaf, mac or chain value of an entry is not what was written
    DROPPED = "dropped"  # entries are missing before the end
    REORDERED = "reordered"  # entries stand in each other's place
    RENUMBERED = "renumbered"  # an entry stands under another number
    INSERTED = "inserted"  # a row that the sequencer never placed
    DUPLICATED = "duplicated"  # one entry stands in the log more than once
    TRUNCATED = "truncated"  # the end is missing
    REWRITTEN = "rewritten"  # consistent in itself, but not what a checkpoint signed
    UNPROVEN = "unproven"  # checkpoints that cannot be recomputed because entries are lost
    UNSEALED = "unsealed"  # entries, but no checkpoint that covers any of them
    HEAD = "head"  # the stored head contradicts the entries
    CHECKPOINT = "checkpoint"  # a checkpoint that is not one, or not by our key
    CHECKPOINT_LOG = "checkpoint-log"  # the checkpoint files contradict each other
    OUTBOX = "outbox"  # a waiting row that the platform did not write
    REMOVED = "removed"  # a text that is missing without leave, or leave that contradicts itself
    HELD = "held"  # removed in spite of a legal hold, or a hold that was tampered with
    ARCHIVE = "archive"  # an archive that is not the one that was recorded
    INDEX = "index"  # the index says something else than the entries
    COPY = "copy"  # the copies of the checkpoints contradict the log


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold, for the entries `seq` to `last` (both None where it is not about entries)."""

    kind: Kind
    message: str
    seq: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.seq is None:
            return f"{self.kind}: {self.message}"
        where = f"entry {self.seq}" if self.last in (None, self.seq) else f"entries {self.seq} to {self.last}"
        return f"{self.kind}: {where}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        return {"kind": str(self.kind), "message": self.message, "first": self.seq, "last": self.last}


@dataclass(frozen=True, slots=True)
class Report:
    """`entries` rows were read, `outbox` rows wait, `checkpoints` signatures held; the newest covers `sealed` entries.

    `unlisted` findings came after the first MOST_FINDINGS. `root` is the Merkle root over all entries, None
    when some are lost.
    """

    entries: int
    outbox: int
    checkpoints: int
    sealed: int
    root: bytes | None
    findings: tuple[Finding, ...]
    unlisted: int = 0
    removed: int = 0  # entries whose text is in an archive

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "entries": self.entries,
            "outbox": self.outbox,
            "checkpoints": self.checkpoints,
            "sealed": self.sealed,
            "removed": self.removed,
            "root": self.root.hex() if self.root is not None else None,
            "findings": [finding.to_json() for finding in self.findings],
            "unlisted": self.unlisted,
        }


def with_more(report: Report, more: Findings) -> Report:
    """The report, and what was found beside the walk."""
    return replace(report, findings=(*report.findings, *more.listed()), unlisted=report.unlisted + more.unlisted)


class Findings:
    """Collects findings; the same thing said of neighbouring entries becomes one finding about a range."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self.unlisted = 0

    def add(self, kind: Kind, message: str, seq: int | None = None, last: int | None = None) -> None:
        end = seq if last is None else last
        if self._listed and seq is not None:
            newest = self._listed[-1]
            same = newest.kind is kind and newest.message == message
            if same and newest.last is not None and newest.last + 1 == seq:
                self._listed[-1] = replace(newest, last=end)
                return
        if len(self._listed) < MOST_FINDINGS:
            self._listed.append(Finding(kind, message, seq, end))
        else:
            self.unlisted += 1

    def listed(self) -> tuple[Finding, ...]:
        """In the order of the entries; what concerns none of them comes last."""
        return tuple(sorted(self._listed, key=lambda finding: (finding.seq is None, finding.seq or 0)))
