"""What was done to rows that do not fit.

The walk keeps a `Position`: how many entries of the *original* log lie behind it, and how far the stored
numbers have drifted from the original ones. A row that does not follow is tried against the few things that
tampering can do, in the order of how much they assume; the row after it is the witness, because its own chain
value tells what it followed.

1. Numbers are missing: entries were dropped, unless the row directly follows: then it was renumbered.
2. The chain value fits with the row's leaf, or with the leaf of its text: text, leaf or mac was edited.
3. The next row follows the value that this row ought to have: only its chain value was edited.
4. The next row follows the one before: this row was inserted.
5. The next row has the content that belongs here: the two exchanged contents.
6. The next row follows this one's chain value: the content was exchanged (same number), or rows were dropped
   or inserted and the rest renumbered (another number).
7. Nothing relates: the row is a stranger and its place is empty. Later rows go on being tried.

Strangers, exchanged contents and empty places are matched at the end, which tells reordering from editing.
All lists are bounded; beyond the bound findings are still made, only less precise.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from governance.audit.chain import GENESIS, Head, link
from governance.audit.entry import Entry, mac_of
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.reconciliation import Misplaced, Reconciliation, Stranger
from governance.audit.report import Findings, Kind

WIDEST_SHIFT = 1024
"""How many renumbered entries in one place are still recognised as such."""

SHIFT_TRIALS = 500_000
"""Hashes spent on recognising renumbering in one verification (well under a second)."""


@dataclass(slots=True)
class Position:
    """How far the walk has come: `number` original entries; stored number = original number + `shift`.

    chain: value of the last original entry, None when it is unknown. tree: None once a leaf is lost.
    """

    number: int = 0
    shift: int = 0
    chain: bytes | None = GENESIS
    tree: CompactRange | None = field(default_factory=CompactRange)

    def accept(self, leaf: bytes, chain: bytes) -> None:
        if self.tree is not None:
            self.tree.append(leaf)
        self.number += 1
        self.chain = chain

    def lose(self, count: int, chain: bytes | None) -> None:
        """Pass `count` entries whose leaves are unknown; `chain` is the value of the last one, if known."""
        self.tree = None
        self.number += count
        self.chain = chain

    def root(self) -> bytes | None:
        return self.tree.root() if self.tree is not None else None


class Diagnosis:
    """Examines the rows that the walk could not accept, and moves the walk on."""

    def __init__(self, head: Head | None, mac_key: bytes | None, findings: Findings) -> None:
        self.at = Position()
        self._head = head
        self._mac_key = mac_key
        self._findings = findings
        self._matching = Reconciliation(findings)
        self._trials = SHIFT_TRIALS

    def examine(self, row: Entry, following: Entry | None) -> None:
        """Say what is wrong with `row`. `following` is the next stored row, None at the end."""
        at = self.at
        expected = at.number + at.shift
        own = leaf_hash(row.entry.encode())
        if row.seq < expected:
            self._findings.add(Kind.INSERTED, "another row already stands under this number", row.seq)
        elif row.seq > expected and self._beyond_head(row):
            self._matching.stranger(Stranger(row.seq, None, row.leaf, own, row.chain))
        elif row.seq > expected and at.chain is not None and _follows(at.chain, at.number, row, own):
            self._findings.add(Kind.RENUMBERED, f"it was entry {at.number}", row.seq)
            at.shift = row.seq - at.number
            self._place(row, own, following)
        else:
            if row.seq > expected:
                missing = row.seq - expected
                self._matching.gap(at.number, missing, at.chain, vacant=True)
                at.lose(missing, None)
            self._place(row, own, following)

    def conclude(self, sealed: int) -> None:
        """Compare the end with the head and with the newest checkpoint (`sealed` entries), then name the rest."""
        at, head = self.at, self._head
        end = max(head.size if head is not None else 0, sealed)
        if end > at.number:
            self._matching.gap(at.number, end - at.number, at.chain, vacant=True, tail=True)
        self._matching.conclude()
        if head is None:
            self._findings.add(Kind.HEAD, "the head is missing")
        elif head.size < at.number:
            self._findings.add(
                Kind.INSERTED,
                f"the head says that the log ends before ({head.size})",
                head.size,
                at.number - 1,
            )
        elif head.size == at.number:
            self._judge_head(head)

    def _judge_head(self, head: Head) -> None:
        at = self.at
        if at.chain is not None and head.chain != at.chain:
            self._findings.add(Kind.HEAD, "the head's chain value is not the last entry's")
        if at.tree is not None and head.frontier != at.tree.frontier:
            self._findings.add(Kind.HEAD, "the head's Merkle edge is not that of the entries")

    def _beyond_head(self, row: Entry) -> bool:
        return self._head is not None and row.seq - self.at.shift >= self._head.size

    def _place(self, row: Entry, own: bytes, following: Entry | None) -> None:
        """`row` stands where entry `at.number` should be."""
        at = self.at
        if at.chain is not None and self._explain_linked(row, own, at.chain, following):
            return
        if self._continues(row.chain, at.number + 1, following):
            self._accept_unlinked(row, own)
        elif (drift := self._drift(row, following)) is not None:
            self._accept_drifted(row, own, drift)
        else:
            self._matching.gap(at.number, 1, at.chain, vacant=False)
            self._matching.stranger(Stranger(row.seq, at.number, row.leaf, own, row.chain))
            at.lose(1, None)

    def _explain_linked(self, row: Entry, own: bytes, previous: bytes, following: Entry | None) -> bool:
        """Try what can be told by the chain value of the entry before; False when nothing of it holds."""
        at, number = self.at, self.at.number
        if _follows(previous, number, row, own):
            vouched = row.leaf if link(previous, number, row.leaf) == row.chain else own
            self._accept_edited(row, own, vouched)
            return True
        for leaf in (own, row.leaf):
            expected = link(previous, number, leaf)
            if self._continues(expected, number + 1, following):
                self._findings.add(Kind.EDITED, "its chain value was edited", row.seq)
                self._judge_content(row, own, leaf)
                at.accept(leaf, expected)
                return True
        if self._continues(previous, number, following):
            self._matching.stranger(Stranger(row.seq, None, row.leaf, own, row.chain))
            at.shift += 0 if following is not None and following.seq == row.seq else 1
            return True
        if following is not None and _follows(previous, number, following._replace(chain=row.chain)):
            # The next row has this row's content, so presumably this one has the next one's.
            self._accept_unlinked(row, own)
            return True
        return False

    def _accept_edited(self, row: Entry, own: bytes, leaf: bytes) -> None:
        """The chain vouches for `leaf`; text, leaf column or mac may still be wrong."""
        if leaf == own != row.leaf:
            self._findings.add(Kind.EDITED, "its leaf hash was edited", row.seq)
        self._judge_content(row, own, leaf)
        self.at.accept(leaf, row.chain)

    def _accept_unlinked(self, row: Entry, own: bytes) -> None:
        """The chain value is original, but if the entry before is known, the content is not."""
        at = self.at
        if at.chain is not None:
            self._matching.misplaced(Misplaced(row.seq, at.number, at.chain, row.leaf, own, row.chain))
        else:
            self._judge_content(row, own, row.leaf)
        at.lose(1, row.chain)

    def _accept_drifted(self, row: Entry, own: bytes, drift: int) -> None:
        """`row` is original entry `number + drift`: entries before it were dropped (+) or inserted (-)."""
        at = self.at
        if drift > 0:
            self._matching.gap(at.number, drift, at.chain, vacant=False)
        else:
            self._matching.fill(at.number + drift)
            if not self._matching.strangers_since(at.number + drift + at.shift):
                first = at.number + drift + at.shift
                self._findings.add(Kind.INSERTED, "rows were put in here", first, first - drift - 1)
        at.number += drift
        at.shift -= drift
        if at.shift:
            self._findings.add(Kind.RENUMBERED, f"from here on, numbers differ by {at.shift}", row.seq)
        self._judge_content(row, own, row.leaf)
        at.lose(1, row.chain)

    def _judge_content(self, row: Entry, own: bytes, leaf: bytes) -> None:
        if own != leaf:
            self._matching.text(row.seq, own, leaf)
        if self._mac_key is not None and not hmac.compare_digest(mac_of(self._mac_key, leaf), row.mac):
            self._findings.add(Kind.EDITED, "its mac is not by the audit key: edited, or forged", row.seq)

    def _continues(self, chain: bytes, number: int, following: Entry | None) -> bool:
        """Whether what comes next takes `chain` for the value of the entry before `number`."""
        if following is None:
            head = self._head
            return head is not None and head.size == number and head.chain == chain
        return _follows(chain, number, following)

    def _drift(self, row: Entry, following: Entry | None) -> int | None:
        """By how much the row's original number differs from the expected one, if the next row tells."""
        for distance in range(1, WIDEST_SHIFT + 1):
            for drift in (distance, -distance):
                if self._trials <= 0:
                    return None
                self._trials -= 2
                if self.at.number + drift >= 0 and self._continues(row.chain, self.at.number + drift + 1, following):
                    return drift
        return None


def _follows(chain: bytes, number: int, row: Entry, own: bytes | None = None) -> bool:
    """Whether `row` is entry `number` after `chain`, by its leaf or by the leaf of its text (`own`)."""
    own = leaf_hash(row.entry.encode()) if own is None else own
    return row.chain in (link(chain, number, row.leaf), link(chain, number, own))
