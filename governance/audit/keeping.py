"""What the log itself says about texts that were taken out of it, and about what must not be taken out.

After its retention the text of an entry may go to an archive; leaf, mac and chain value stay, so that every root and
every proof still holds. That this was done is an entry of the log: a text that is missing without such an entry was
taken away. Legal holds are entries, too: a table that says less than the log was edited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from governance.audit.holds import PLACED, RELEASED
from governance.audit.report import Findings, Kind

APPLIED = "audit:retention:applied"

SHORTEST_MONTHS = 6
"""EU AI Act, articles 19(1) and 26(6): logs are kept for at least six months."""

MARK = '"action":"audit:'
"""Stands in the text of every entry that is looked at here, and in few others."""


def months_before(moment: datetime, months: int) -> datetime:
    """The first moment of the month that lies `months` before that of `moment`, in UTC."""
    number = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=number // 12, month=number % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Removal:
    """One entry of the log that says what was removed. ranges: first and last number of every run, rising."""

    seq: int
    at: datetime
    before: datetime
    ranges: tuple[tuple[int, int], ...]
    entries: int
    archive: str
    sha256: str

    @classmethod
    def read(cls, seq: int, event: Mapping[str, Any]) -> Removal:
        """Raises KeyError, TypeError or ValueError for an entry of another shape."""
        details = event["details"]
        ranges = tuple((int(first), int(last)) for first, last in details["ranges"])
        archive = details["archive"]
        return cls(
            seq,
            datetime.fromisoformat(event["at"]),
            datetime.fromisoformat(details["before"]),
            ranges,
            int(details["entries"]),
            str(archive["name"]),
            str(archive["sha256"]),
        )


@dataclass(slots=True)
class HeldInLog:
    """A hold as the log tells it: placed by entry `placed`, released by entry `released`."""

    placed: int
    hold: dict[str, Any]
    released: int | None = None

    def covers(self, removal: Removal) -> bool:
        """Was it in force when that was removed?"""
        if not self.placed < removal.seq or (self.released is not None and self.released < removal.seq):
            return False
        until = self.hold.get("until")
        return until is None or datetime.fromisoformat(until) > removal.at


@dataclass(slots=True)
class Keeping:
    """Told during the walk of a verification; `conclude` judges. Memory grows with runs and such entries only."""

    removals: list[Removal] = field(default_factory=list)
    holds: dict[str, HeldInLog] = field(default_factory=dict)
    removed: int = 0
    _runs: list[list[int]] = field(default_factory=list)
    _unreadable: list[int] = field(default_factory=list)

    def missing(self, seq: int) -> None:
        """The text of entry `seq` is not there; its leaf is the one that chain and tree know."""
        self.removed += 1
        if self._runs and self._runs[-1][1] + 1 == seq:
            self._runs[-1][1] = seq
        else:
            self._runs.append([seq, seq])

    def told(self, seq: int, entry: str) -> None:
        """An entry that fits, with MARK in its text."""
        event = json.loads(entry)
        try:
            if event["action"] == APPLIED:
                self.removals.append(Removal.read(seq, event))
            elif event["action"] == PLACED:
                self.holds[event["subject"]["id"]] = HeldInLog(seq, event["after"])
            elif event["action"] == RELEASED and (held := self.holds.get(event["subject"]["id"])) is not None:
                held.released = seq
        except (KeyError, TypeError, ValueError):
            self._unreadable.append(seq)

    def conclude(self, findings: Findings) -> None:
        for seq in self._unreadable:
            findings.add(Kind.REMOVED, "it says something about retention that cannot be read", seq)
        allowed = _merged(run for removal in self.removals for run in removal.ranges if run[1] < removal.seq)
        for first, last in self._runs:
            for start, end in _outside(first, last, allowed):
                findings.add(Kind.REMOVED, "the text is gone, and no entry says that it was removed", start, end)
        for removal in self.removals:
            self._judge(removal, findings)

    def _judge(self, removal: Removal, findings: Findings) -> None:
        spans = sum(last - first + 1 for first, last in removal.ranges)
        if spans != removal.entries or any(first > last or last >= removal.seq for first, last in removal.ranges):
            findings.add(Kind.REMOVED, "what it says about a removal contradicts itself", removal.seq)
        if removal.before > months_before(removal.at, SHORTEST_MONTHS):
            findings.add(Kind.REMOVED, f"it removed texts that were younger than {SHORTEST_MONTHS} months", removal.seq)
        for identifier, held in self.holds.items():
            if held.hold.get("scope") == "log" and held.covers(removal):
                findings.add(Kind.HELD, f"it removed texts while hold {identifier} kept all of them", removal.seq)


def _merged(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _outside(first: int, last: int, allowed: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of `first` to `last` that no allowed run covers."""
    for start, end in allowed:
        if end < first:
            continue
        if start > last:
            break
        if start > first:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last
