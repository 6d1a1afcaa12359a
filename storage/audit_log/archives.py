"""Archives against the log, and the tables of retention and holds against what the log says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from governance.audit.holds import PLACED, RELEASED
from governance.audit.keeping import HeldInLog, Keeping, Removal
from governance.audit.merkle import leaf_hash
from governance.audit.report import Findings, Kind
from governance.canonical import rendered

_PIECE = 1 << 20


def check_archives(connection: psycopg.Connection[Any], directory: Path, keeping: Keeping, findings: Findings) -> None:
    """Every archive that the log names: it is there, unchanged, whole, and holds what the leaves were made of.

    Also, whether something in it was under a hold when it was removed. Raises psycopg.Error.
    """
    for removal in keeping.removals:
        problem = _problem(connection, directory, removal, list(keeping.holds.items()), findings)
        if problem is not None:
            first, last = removal.ranges[0][0] if removal.ranges else None, removal.ranges[-1][1]
            findings.add(Kind.ARCHIVE, f"{removal.archive}: {problem}", first, last)


def _problem(
    connection: psycopg.Connection[Any],
    directory: Path,
    removal: Removal,
    holds: list[tuple[str, HeldInLog]],
    findings: Findings,
) -> str | None:
    path = directory / removal.archive
    if path.parent != directory or not path.is_file():
        return "the archive is not there"
    if _digest(path) != removal.sha256:
        return "the archive was changed"
    in_force = [(identifier, held.hold) for identifier, held in holds if held.covers(removal)]
    numbers = (seq for first, last in removal.ranges for seq in range(first, last + 1))
    leaves = _leaves(connection, removal)
    try:
        for line in lines(path):
            seq = next(numbers, None)
            if seq is None or line["seq"] != seq:
                return f"entry {seq} is expected where {line['seq']} stands"
            if leaf_hash(line["entry"].encode()) != leaves.get(seq):
                return f"entry {seq} is not the one that was logged"
            for identifier, hold in in_force:
                if _held(hold, line):
                    findings.add(Kind.HELD, f"it was removed in spite of hold {identifier}", seq)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the archive cannot be read"
    missing = next(numbers, None)
    return f"entry {missing} is not in it" if missing is not None else None


def _held(hold: dict[str, Any], line: dict[str, Any]) -> bool:
    if hold.get("scope") == "model":
        return bool(line["modelId"] == hold["modelId"])
    if hold.get("scope") == "subject":
        subject = [hold["subjectKind"], hold["subjectId"]]
        return line["subject"] == subject or subject == ["user", line["actor"]]
    return False  # of the whole log: told without archives


def _leaves(connection: psycopg.Connection[Any], removal: Removal) -> dict[int, bytes]:
    statement = """select e.seq, e.leaf from unnest(%s::bigint[], %s::bigint[]) r (first_seq, last_seq)
        join audit_entries e on e.seq between r.first_seq and r.last_seq"""
    runs = ([first for first, _ in removal.ranges], [last for _, last in removal.ranges])
    return dict(connection.execute(statement, runs).fetchall())


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of an archive; ValueError for a line that is none."""
    with path.open("rb") as file:
        for raw in file:
            line = json.loads(raw)
            if not isinstance(line, dict):
                raise ValueError("a line of an archive is an object")
            yield line


def check_holds(connection: psycopg.Connection[Any], keeping: Keeping, findings: Findings) -> None:
    """Every hold of the log stands in the table as it was placed, and the table releases none that the log does not.

    `keeping` has walked the log that `connection` sees.
    """
    rows = {
        str(row[0]): row[1:]
        for row in connection.execute(
            "select id, scope, model_id::text, subject_kind, subject_id, until, released_at is not null, reason "
            "from legal_holds"
        )
    }
    waiting = "\n".join(
        entry
        for (entry,) in connection.execute(
            "select entry from audit_outbox where entry like %s or entry like %s", (f"%{PLACED}%", f"%{RELEASED}%")
        )
    )
    for identifier, held in keeping.holds.items():
        row = rows.pop(identifier, None)
        if row is None:
            findings.add(Kind.HELD, f"hold {identifier} was placed, but the table does not have it", held.placed)
            continue
        scope, model_id, kind, subject, until, released, reason = row
        told = (scope, model_id, kind, subject, rendered(until) if until is not None else None, reason)
        names = ("scope", "modelId", "subjectKind", "subjectId", "until", "reason")
        if told != tuple(held.hold.get(name) for name in names):
            findings.add(Kind.HELD, f"hold {identifier} is not what was placed", held.placed)
        if released and held.released is None and identifier not in waiting:
            findings.add(Kind.HELD, f"hold {identifier} was released without an entry", held.placed)
        if not released and held.released is not None:
            findings.add(Kind.HELD, f"hold {identifier} was released, but the table still has it", held.released)
    for identifier in sorted(rows):
        if identifier not in waiting:
            findings.add(Kind.HELD, f"hold {identifier} stands in the table, but nobody placed it")
