"""Ways to tamper with a log, as changes to its rows, with what must be found for each.

The same list drives the matrix in memory and the one in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from governance.audit.chain import Head
from governance.audit.entry import Draft, Entry, draft
from governance.audit.merkle import leaf_hash
from governance.audit.report import Kind
from tests.governance.audit.histories import AUDIT_KEY, event, head_of, rehashed

Rows = list[Entry]
STOLEN = AUDIT_KEY
FOREIGN = b"a key that the platform does not have"


@dataclass(frozen=True)
class Tampered:
    """The log afterwards. `kinds` must all be among the findings, and one finding must cover number `at`."""

    entries: Rows
    head: Head
    kinds: frozenset[Kind]
    at: int | None = None


@dataclass(frozen=True)
class Tampering:
    """One way to tamper. `cases`: how often the full matrix tries it with other random choices."""

    name: str
    apply: Callable[[Rows, Random], Tampered]
    cases: int


def flip(data: bytes, random: Random) -> bytes:
    bit = random.randrange(len(data) * 8)
    return bytes(byte ^ (1 << bit % 8) if index == bit // 8 else byte for index, byte in enumerate(data))


def _one(rows: Rows, random: Random) -> int:
    return random.randrange(len(rows))


def _inner(rows: Rows, random: Random) -> int:
    """Not the last one, so that something follows."""
    return random.randrange(len(rows) - 1)


def _found(before: Rows, after: Rows, *kinds: Kind, at: int | None = None) -> Tampered:
    return Tampered(after, head_of(before), frozenset(kinds), at)


def _changed(rows: Rows, index: int, **values: object) -> Rows:
    return [row._replace(**values) if i == index else row for i, row in enumerate(rows)]  # type: ignore[arg-type]


def edit_text(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    text = rows[index].entry
    spot = random.randrange(len(text))
    edited = text[:spot] + chr(ord(text[spot]) ^ 1) + text[spot + 1 :]
    return _found(rows, _changed(rows, index, entry=edited), Kind.EDITED, at=index)


def edit_leaf(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    edited = _changed(rows, index, leaf=flip(rows[index].leaf, random))
    return _found(rows, edited, Kind.EDITED, at=index)


def edit_mac(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    return _found(rows, _changed(rows, index, mac=flip(rows[index].mac, random)), Kind.EDITED, at=index)


def edit_chain(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    edited = _changed(rows, index, chain=flip(rows[index].chain, random))
    return _found(rows, edited, Kind.EDITED, at=index)


def edit_text_and_leaf(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    text = rows[index].entry.replace("Ann", "Eve")
    edited = _changed(rows, index, entry=text, leaf=leaf_hash(text.encode()))
    return _found(rows, edited, Kind.EDITED, at=index)


def drop(rows: Rows, random: Random) -> Tampered:
    index = _inner(rows, random)
    return _found(rows, rows[:index] + rows[index + 1 :], Kind.DROPPED, at=index)


def drop_several(rows: Rows, random: Random) -> Tampered:
    index = _inner(rows, random)
    count = random.randrange(1, min(9, len(rows) - index))
    return _found(rows, rows[:index] + rows[index + count :], Kind.DROPPED, at=index + count - 1)


def drop_and_renumber(rows: Rows, random: Random) -> Tampered:
    index = random.randrange(len(rows) - 2)
    rest = [row._replace(seq=row.seq - 1) for row in rows[index + 1 :]]
    return _found(rows, rows[:index] + rest, Kind.DROPPED, Kind.RENUMBERED, at=index)


def renumber_one(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    number = len(rows) + random.randrange(1, 1000)
    return _found(rows, _changed(rows, index, seq=number), Kind.RENUMBERED, at=number)


def renumber_from(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    step = random.randrange(1, 1000)
    moved = [row._replace(seq=row.seq + step) for row in rows[index:]]
    return _found(rows, rows[:index] + moved, Kind.RENUMBERED)


def _two(rows: Rows, random: Random) -> tuple[int, int]:
    first, second = sorted(random.sample(range(len(rows)), 2))
    return first, second


def swap_texts(rows: Rows, random: Random) -> Tampered:
    a, b = _two(rows, random)
    after = _changed(_changed(rows, a, entry=rows[b].entry), b, entry=rows[a].entry)
    return _found(rows, after, Kind.REORDERED, at=a)


def _contents_exchanged(rows: Rows, a: int, b: int) -> Tampered:
    """Text, leaf and mac: each is authentic, but stands in the other's place."""
    first = rows[a]._replace(entry=rows[b].entry, leaf=rows[b].leaf, mac=rows[b].mac)
    second = rows[b]._replace(entry=rows[a].entry, leaf=rows[a].leaf, mac=rows[a].mac)
    after = [first if i == a else second if i == b else row for i, row in enumerate(rows)]
    return _found(rows, after, Kind.REORDERED, at=a)


def swap_contents(rows: Rows, random: Random) -> Tampered:
    return _contents_exchanged(rows, *_two(rows, random))


def swap_neighbours(rows: Rows, random: Random) -> Tampered:
    index = _inner(rows, random)
    return _contents_exchanged(rows, index, index + 1)


def swap_numbers(rows: Rows, random: Random) -> Tampered:
    a, b = _two(rows, random)
    after = _changed(_changed(rows, a, seq=b), b, seq=a)
    return _found(rows, sorted(after, key=lambda row: row.seq), Kind.REORDERED, at=a)


def duplicate_inside(rows: Rows, random: Random) -> Tampered:
    """A copy of an entry takes the place of another."""
    source, target = random.sample(range(len(rows)), 2)
    copy = rows[source]
    after = _changed(rows, target, entry=copy.entry, leaf=copy.leaf, mac=copy.mac)
    return _found(rows, after, Kind.EDITED, at=target)


def insert_copy(rows: Rows, random: Random) -> Tampered:
    """A copy of an entry is put in; what follows is renumbered."""
    source, target = _one(rows, random), _one(rows, random)
    rest = [row._replace(seq=row.seq + 1) for row in rows[target:]]
    after = [*rows[:target], rows[source]._replace(seq=target), *rest]
    # A copy put beside its original is told by the number that the copies share, wherever it stands.
    return _found(rows, after, Kind.INSERTED)


def insert_forged(rows: Rows, random: Random) -> Tampered:
    target = _one(rows, random)
    forged = draft(event(99_000 + target), FOREIGN)
    rest = [row._replace(seq=row.seq + 1) for row in rows[target:]]
    after = [*rows[:target], Entry(target, *forged, flip(rows[target].chain, random)), *rest]
    return _found(rows, after, Kind.INSERTED, at=target)


def append_forged(rows: Rows, random: Random) -> Tampered:
    """Put behind the end with a fitting chain value; the head does not know of it."""
    forged = draft(event(99_000 + random.randrange(1000)), FOREIGN)
    _, (value,) = head_of(rows).extended([forged.leaf])
    return _found(rows, [*rows, Entry(len(rows), *forged, value)], Kind.INSERTED, at=len(rows))


def cut_tail(rows: Rows, random: Random) -> Tampered:
    keep = random.randrange(1, len(rows))
    return _found(rows, rows[:keep], Kind.TRUNCATED, at=len(rows) - 1)


def cut_tail_and_head(rows: Rows, random: Random) -> Tampered:
    """The head is set back too: only a checkpoint knows better."""
    keep = random.randrange(1, len(rows))
    return Tampered(rows[:keep], head_of(rows[:keep]), frozenset({Kind.TRUNCATED}), len(rows) - 1)


def empty(rows: Rows, random: Random) -> Tampered:
    return Tampered([], Head.empty(), frozenset({Kind.TRUNCATED}), random.randrange(len(rows)))


def _replaced(rows: Rows, index: int, row: Draft) -> Tampered:
    after = rehashed(_changed(rows, index, entry=row.entry, leaf=row.leaf, mac=row.mac))
    return Tampered(after, head_of(after), frozenset({Kind.REWRITTEN}))


def rewrite(rows: Rows, random: Random) -> Tampered:
    """Edited, and all made to fit again, the mac with the stolen audit key: only a checkpoint shows it."""
    index = _one(rows, random)
    return _replaced(rows, index, draft(event(50_000 + index), STOLEN))


def rewrite_without_key(rows: Rows, random: Random) -> Tampered:
    """As `rewrite`, but the audit key was not stolen: the mac shows where."""
    index = _one(rows, random)
    done = _replaced(rows, index, draft(event(50_000 + index), FOREIGN))
    return Tampered(done.entries, done.head, done.kinds | {Kind.EDITED}, index)


def insert_and_rewrite(rows: Rows, random: Random) -> Tampered:
    index = _one(rows, random)
    forged = Entry(0, *draft(event(60_000 + index), STOLEN), b"")
    after = rehashed([*rows[:index], forged, *rows[index:]])
    return Tampered(after, head_of(after), frozenset({Kind.REWRITTEN}))


def drop_and_rewrite(rows: Rows, random: Random) -> Tampered:
    index = _inner(rows, random)
    after = rehashed(rows[:index] + rows[index + 1 :])
    return Tampered(after, head_of(after), frozenset({Kind.TRUNCATED}), len(rows) - 1)


def swap_and_rewrite(rows: Rows, random: Random) -> Tampered:
    a, b = _two(rows, random)
    after = list(rows)
    after[a], after[b] = after[b], after[a]
    after = rehashed(after)
    return Tampered(after, head_of(after), frozenset({Kind.REWRITTEN}))


def edit_head_chain(rows: Rows, random: Random) -> Tampered:
    head = head_of(rows)
    return Tampered(rows, Head(head.size, flip(head.chain, random), head.frontier), frozenset({Kind.HEAD}))


def edit_head_edge(rows: Rows, random: Random) -> Tampered:
    head = head_of(rows)
    spot = random.randrange(len(head.frontier))
    edge = tuple(flip(node, random) if i == spot else node for i, node in enumerate(head.frontier))
    return Tampered(rows, Head(head.size, head.chain, edge), frozenset({Kind.HEAD}))


TAMPERINGS = (
    Tampering("edit text", edit_text, 100),
    Tampering("edit leaf", edit_leaf, 60),
    Tampering("edit mac", edit_mac, 60),
    Tampering("edit chain value", edit_chain, 60),
    Tampering("edit text and leaf", edit_text_and_leaf, 60),
    Tampering("drop", drop, 60),
    Tampering("drop several", drop_several, 40),
    Tampering("drop and renumber", drop_and_renumber, 50),
    Tampering("renumber one", renumber_one, 40),
    Tampering("renumber from here", renumber_from, 40),
    Tampering("swap texts", swap_texts, 40),
    Tampering("swap contents", swap_contents, 40),
    Tampering("swap neighbouring contents", swap_neighbours, 30),
    Tampering("swap numbers", swap_numbers, 60),
    Tampering("duplicate in place", duplicate_inside, 30),
    Tampering("insert a copy", insert_copy, 40),
    Tampering("insert a forged row", insert_forged, 40),
    Tampering("append a forged row", append_forged, 20),
    Tampering("cut the tail", cut_tail, 40),
    Tampering("cut the tail and the head", cut_tail_and_head, 40),
    Tampering("empty the log", empty, 1),
    Tampering("rewrite", rewrite, 30),
    Tampering("rewrite without the audit key", rewrite_without_key, 30),
    Tampering("insert and rewrite", insert_and_rewrite, 20),
    Tampering("drop and rewrite", drop_and_rewrite, 20),
    Tampering("swap and rewrite", swap_and_rewrite, 20),
    Tampering("edit the head's chain value", edit_head_chain, 10),
    Tampering("edit the head's edge", edit_head_edge, 10),
)
