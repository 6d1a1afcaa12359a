"""Filling the index of the audit log, behind the log: it may lag and be lost, and is then made again.

The sequencer's own transactions do not wait for it and do not fail with it. Whoever leads goes on after the last
indexed entry, so that a log without an index (restored, or from before there was one) gets one by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from governance.audit.index import IndexRow, index_row

BATCH_ROWS = 1000

LAG_SECONDS = 1.0
"""How long a few entries may wait for others: many at once cost the machine half of what they cost one by one."""

_COLUMNS = ", ".join(IndexRow._fields)

# A model is what most reading is filtered by; entries name a version or a request rather.
_RESOLVED = """
    select p.seq, p.event_id, p.at, p.actor_id, p.actor_name, p.action, p.subject_kind, p.subject_id, p.request_id,
        coalesce(p.model_id, v.model_id, r.model_id, s.model_id, f.model_id) as model_id,
        coalesce(p.version_id, r.version_id, f.version_id) as version_id, p.dataset_id, p.change_id
    from unnest(%(seq)s::bigint[], %(event_id)s::text[], %(at)s::timestamptz[], %(actor_id)s::text[],
        %(actor_name)s::text[], %(action)s::text[], %(subject_kind)s::text[], %(subject_id)s::text[],
        %(request_id)s::text[], %(model_id)s::uuid[], %(version_id)s::uuid[], %(dataset_id)s::uuid[],
        %(change_id)s::uuid[], %(named)s::uuid[])
        as p (seq, event_id, at, actor_id, actor_name, action, subject_kind, subject_id, request_id, model_id,
              version_id, dataset_id, change_id, named)
    left join model_versions v on v.id = p.version_id and p.model_id is null
    left join transition_requests r on r.id = p.change_id and p.model_id is null
    left join evaluation_suites s on s.id = p.named and p.subject_kind = 'suite' and p.model_id is null
    left join findings f on f.id = p.named and p.subject_kind = 'finding' and p.model_id is null
"""

_INSERT = f"insert into audit_index ({_COLUMNS}) {_RESOLVED} on conflict (seq) do nothing"

_DIFFERENT = f"""
    with told as materialized ({_RESOLVED}),
         found as materialized (select {_COLUMNS} from audit_index where seq between %(first)s and %(last)s)
    select coalesce(t.seq, f.seq) from told t full join found f on f.seq = t.seq
    where t.* is distinct from f.* order by 1
"""  # noqa: S608 (constants of this module)

_log = logging.getLogger(__name__)


class Indexer:
    """`connection` is in autocommit mode. Nobody else indexes meanwhile (the sequencer's leadership sees to that)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        row = connection.execute("select coalesce(max(seq) + 1, 0) from audit_index").fetchone()
        self._next: int = row[0] if row else 0
        self._broken: str | None = None
        self._not_before = 0.0

    def wait(self, size: int) -> float:
        """Seconds until `advance` has something to do, infinite while the index has everything."""
        if self._next >= size:
            return float("inf")
        return max(0.0, self._not_before - time.monotonic())

    def advance(self, size: int) -> int:
        """Index entries up to `size`, one batch; how many. A failure is logged and tried again with the next call."""
        if self._next >= size or (size - self._next < BATCH_ROWS and time.monotonic() < self._not_before):
            return 0
        self._not_before = time.monotonic() + LAG_SECONDS
        try:
            rows, last = _read(self._connection, self._next, min(size, self._next + BATCH_ROWS) - 1)
            if rows:
                # What a crash loses of it is made again, so nobody waits for the disk.
                with self._connection.pipeline(), self._connection.transaction():
                    self._connection.execute("set local synchronous_commit = off")
                    self._connection.execute(_INSERT, _values(rows))
        except psycopg.OperationalError:
            raise  # the connection is what the sequencer works with, too
        except psycopg.Error as error:
            if str(error) != self._broken:
                _log.error("the index of the audit log cannot be filled: %s", error)
            self._broken = str(error)
            return 0
        self._broken = None
        self._next = last + 1
        return len(rows)

    def catch_up(self, size: int) -> None:
        while self._next < size and self._broken is None:
            self._not_before = 0.0
            self.advance(size)


def rebuild(connection: psycopg.Connection[Any], size: int) -> int:
    """Throw the index away and make it again from the entries, in the transaction of `connection`; rows made."""
    connection.execute("lock table audit_index in exclusive mode")
    connection.execute("delete from audit_index")
    made = 0
    for first in range(0, size, BATCH_ROWS):
        rows, _ = _read(connection, first, min(size, first + BATCH_ROWS) - 1)
        if rows:
            connection.execute(_INSERT, _values(rows))
            made += len(rows)
    return made


def disagreeing(connection: psycopg.Connection[Any]) -> Iterator[int]:
    """The numbers of index rows that do not say what their entries say, or that are missing or too many.

    What the log has beyond the last indexed entry is not missing: the index follows the log.
    """
    row = connection.execute("select coalesce(max(seq), -1) from audit_index").fetchone()
    last = row[0] if row else -1
    row = connection.execute("select coalesce(max(seq), -1) from audit_entries").fetchone()
    end = max(last, min(row[0], last) if row else -1)
    yield from (seq for (seq,) in connection.execute("select seq from audit_index where seq < 0 order by seq"))
    for first in range(0, end + 1, BATCH_ROWS):
        rows, _ = _read(connection, first, min(end, first + BATCH_ROWS - 1))
        bounds = {"first": first, "last": first + BATCH_ROWS - 1}
        yield from (seq for (seq,) in connection.execute(_DIFFERENT, {**_values(rows), **bounds}).fetchall())


def _read(connection: psycopg.Connection[Any], first: int, last: int) -> tuple[list[IndexRow], int]:
    """What entries `first` to `last` are about. Entries without text, and such as nobody can read, have no row."""
    rows: list[IndexRow] = []
    statement = "select seq, entry from audit_entries where seq between %s and %s and entry is not null order by seq"
    for seq, entry in connection.execute(statement, (first, last)).fetchall():
        try:
            rows.append(index_row(seq, entry))
        except (ValueError, KeyError, TypeError) as error:
            _log.error("entry %d of the audit log cannot be indexed: %s", seq, type(error).__name__)
    return rows, last


def _values(rows: Sequence[IndexRow]) -> dict[str, list[Any]]:
    columns = zip(*rows, strict=True) if rows else [()] * len(IndexRow._fields)
    values: dict[str, list[Any]] = {name: list(column) for name, column in zip(IndexRow._fields, columns, strict=True)}
    values["named"] = [_uuid(row) for row in rows]
    return values


def _uuid(row: IndexRow) -> str | None:
    """The subject of what is looked up by its own id."""
    if row.subject_kind not in ("suite", "finding"):
        return None
    try:
        return str(UUID(row.subject_id))
    except ValueError:
        return None
