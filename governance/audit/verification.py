"""One walk over a log that names everything that does not hold.

Memory is constant: one row and its successor, the right edge of the Merkle tree, one checkpoint, and bounded
lists of what was found. Rows that fit take the short way through `verify`; the first doubt goes to
`diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import chain, pairwise

from governance.audit.chain import Head
from governance.audit.chain import link as link_of
from governance.audit.diagnosis import Diagnosis, Position
from governance.audit.entry import Draft, Entry, is_authentic, mac_of, mac_prefixes
from governance.audit.keeping import MARK, Keeping
from governance.audit.merkle import leaf_hash
from governance.audit.note import Believed
from governance.audit.report import Findings, Kind, Report
from governance.audit.seals import Seals

PROGRESS_ROWS = 10_000
"""Rows between two calls of `progress`."""


def verify(
    entries: Iterable[Entry],
    checkpoints: Iterable[str],
    *,
    public_key: Believed,
    mac_key: bytes | None,
    head: Head | None,
    newest: str | None = None,
    outbox: Iterable[tuple[int, Draft]] = (),
    repeated: Iterable[tuple[int, ...]] = (),
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> Report:
    """Judge a log.

    entries: the rows by rising `seq`; plain tuples in the order of `Entry` will do.
    checkpoints: the notes of the checkpoint log in the order of signing; `newest` is the note in the
        checkpoint file. Both must have been read before the entries, or an honest log may seem truncated.
    mac_key: the audit key; None leaves the macs unchecked (a stranger has only the public key).
    head: the stored head; None means that it is missing, which is itself found.
    outbox: waiting rows as (id, row). repeated: the numbers of entries that share a leaf, one tuple for each
        leaf.
    progress: called with the number of rows read, every PROGRESS_ROWS rows and at the end.
    keeping: hears what the log says about its retention, and judges entries without text, which are refused without.
    """
    findings = Findings()
    seals = Seals(checkpoints, newest, public_key, findings)
    diagnosis = Diagnosis(head, mac_key, findings)
    at = diagnosis.at
    inner, outer = mac_prefixes(mac_key or b"")
    count = 0
    seals.settle(0, at.root())
    for row, following in pairwise(chain(entries, (None,))):
        if row is None:
            break
        seq, entry, leaf, mac, link = row
        number = at.number
        if (
            at.chain is not None
            and seq == number + at.shift
            and sha256(b"\x00" + entry.encode()).digest() == leaf
            and sha256(at.chain + number.to_bytes(8, "big") + leaf).digest() == link
            and (mac_key is None or sha256(outer + sha256(inner + leaf).digest()).digest() == mac)
        ):
            at.accept(leaf, link)
            if keeping is not None and MARK in entry:
                keeping.told(seq, entry)
        elif keeping is not None and not entry and _fits_without_text(at, Entry(*row), mac_key):
            at.accept(leaf, link)
            keeping.missing(seq)
        else:
            diagnosis.examine(Entry(*row), Entry(*following) if following is not None else None)
        if at.number >= seals.due:
            seals.settle(at.number, at.root())
        count += 1
        if progress is not None and count % PROGRESS_ROWS == 0:
            progress(count)
    if progress is not None:
        progress(count)
    waiting = _judge_outbox(outbox, mac_key, findings)
    _judge_repeated(repeated, findings)
    seals.conclude(count)
    diagnosis.conclude(seals.newest_size)
    if keeping is not None:
        keeping.conclude(findings)
    return Report(
        entries=count,
        outbox=waiting,
        checkpoints=seals.valid,
        sealed=seals.newest_size,
        root=at.root(),
        findings=findings.listed(),
        unlisted=findings.unlisted,
        removed=keeping.removed if keeping is not None else 0,
    )


def _fits_without_text(at: Position, row: Entry, mac_key: bytes | None) -> bool:
    """Chain, number and mac are right; the chain vouches for the leaf of the text that was here."""
    return (
        at.chain is not None
        and row.seq == at.number + at.shift
        and link_of(at.chain, at.number, row.leaf) == row.chain
        and (mac_key is None or mac_of(mac_key, row.leaf) == row.mac)
    )


def _judge_outbox(outbox: Iterable[tuple[int, Draft]], mac_key: bytes | None, findings: Findings) -> int:
    waiting = 0
    for identifier, row in outbox:
        waiting += 1
        whole = leaf_hash(row.entry.encode()) == row.leaf if mac_key is None else is_authentic(row, mac_key)
        if not whole:
            findings.add(Kind.OUTBOX, f"waiting row {identifier} was not written by the platform, or was edited")
    return waiting


def _judge_repeated(repeated: Iterable[tuple[int, ...]], findings: Findings) -> None:
    for first, *others in repeated:
        for other in others:
            findings.add(Kind.DUPLICATED, f"it is entry {first} once more", other)
