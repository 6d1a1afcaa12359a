"""Matching empty places with strangers at the end of a walk: moved, or edited and dropped?"""

from __future__ import annotations

from dataclasses import dataclass

from governance.audit.chain import link
from governance.audit.report import Findings, Kind

MOST_KEPT = 500
"""Suspects of each sort that are kept for matching (matching is quadratic)."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A row that fits nowhere near its number. `place`: the original number whose place it takes, None for no place.

    `leaf` is the stored leaf, `own` the one that its text gives.
    """

    seq: int
    place: int | None
    leaf: bytes
    own: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A row whose chain value is original (`number`, after `previous`) but whose content is not."""

    seq: int
    number: int
    previous: bytes
    leaf: bytes
    own: bytes
    chain: bytes


@dataclass(slots=True)
class _Gap:
    """Original entries `first` to `last` that no row gives; `previous` is the chain value before `first`.

    vacant: whether the stored numbers are missing too. tail: at the end of the log.
    """

    first: int
    last: int
    previous: bytes | None
    vacant: bool
    tail: bool


class Reconciliation:
    """Keeps suspects during the walk; `conclude` turns all of them into findings."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._gaps: list[_Gap] = []
        self._strangers: list[Stranger] = []
        self._misplaced: list[Misplaced] = []
        self._texts: list[tuple[int, bytes, bytes]] = []

    def gap(self, first: int, count: int, previous: bytes | None, *, vacant: bool, tail: bool = False) -> None:
        """`count` entries from `first` on are not where they should be."""
        newest = self._gaps[-1] if self._gaps else None
        if (
            newest is not None
            and previous is None
            and (newest.last + 1, newest.vacant, newest.tail) == (first, vacant, tail)
        ):
            newest.last = first + count - 1
        elif len(self._gaps) < MOST_KEPT:
            self._gaps.append(_Gap(first, first + count - 1, previous, vacant, tail))
        else:
            self._missing(first, first + count - 1, tail)

    def fill(self, number: int) -> None:
        """The walk went back to `number`: what seemed missing from there on is not."""
        self._gaps = [gap for gap in self._gaps if gap.first < number]
        if self._gaps:
            self._gaps[-1].last = min(self._gaps[-1].last, number - 1)

    def stranger(self, row: Stranger) -> None:
        if len(self._strangers) < MOST_KEPT:
            self._strangers.append(row)
        else:
            self._findings.add(Kind.INSERTED, "it does not belong here", row.seq)

    def strangers_since(self, seq: int) -> bool:
        return any(row.seq >= seq for row in self._strangers)

    def misplaced(self, row: Misplaced) -> None:
        if len(self._misplaced) < MOST_KEPT:
            self._misplaced.append(row)
        else:
            self._findings.add(Kind.EDITED, "its content was replaced", row.seq)

    def text(self, seq: int, own: bytes, leaf: bytes) -> None:
        """The text of row `seq` gives `own` where the log says `leaf`."""
        if len(self._texts) < MOST_KEPT:
            self._texts.append((seq, own, leaf))
        else:
            self._findings.add(Kind.EDITED, "its text was edited", seq)

    def conclude(self) -> None:
        self._conclude_texts()
        self._conclude_misplaced()
        for gap in self._gaps:
            self._conclude_gap(gap)
        for row in self._strangers:
            if row.place is None:
                self._findings.add(Kind.INSERTED, "it does not belong here", row.seq)
            else:
                self._findings.add(Kind.EDITED, "its content and chain value were replaced", row.seq)

    def _conclude_texts(self) -> None:
        written = {leaf: seq for seq, _, leaf in self._texts}
        for seq, own, _ in self._texts:
            if own in written:
                self._findings.add(Kind.REORDERED, f"it has the text of entry {written[own]}", seq)
            else:
                self._findings.add(Kind.EDITED, "its text was edited", seq)

    def _conclude_misplaced(self) -> None:
        for row in self._misplaced:
            origin = next(
                (
                    other.seq
                    for other in self._misplaced
                    if other is not row
                    and row.chain in (link(row.previous, row.number, leaf) for leaf in (other.leaf, other.own))
                ),
                None,
            )
            if origin is not None:
                self._findings.add(Kind.REORDERED, f"its own content stands at {origin}", row.seq)
            else:
                self._findings.add(Kind.EDITED, "its content was replaced", row.seq)

    def _conclude_gap(self, gap: _Gap) -> None:
        """Find the missing entries among the strangers, one after the other; the rest was replaced or dropped."""
        number, previous = gap.first, gap.previous
        while number <= gap.last and previous is not None:
            found = self._take(previous, number)
            if found is None:
                break
            kind = Kind.RENUMBERED if gap.vacant else Kind.REORDERED
            self._findings.add(kind, f"it was entry {number}", found.seq)
            number, previous = number + 1, found.chain
        places = {row.place for row in self._strangers}
        while number <= gap.last:
            if number not in places:
                end = min((place for place in places if place and number < place <= gap.last), default=gap.last + 1)
                self._missing(number, end - 1, gap.tail)
                number = end
            else:
                number += 1

    def _take(self, previous: bytes, number: int) -> Stranger | None:
        for index, row in enumerate(self._strangers):
            if row.chain in (link(previous, number, row.leaf), link(previous, number, row.own)):
                return self._strangers.pop(index)
        return None

    def _missing(self, first: int, last: int, tail: bool) -> None:
        if tail:
            self._findings.add(Kind.TRUNCATED, "the end of the log is missing", first, last)
        else:
            self._findings.add(Kind.DROPPED, "missing", first, last)
