"""Reading a stored log for verification: one snapshot, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from governance.audit.chain import Head
from governance.audit.entry import Draft, Entry
from governance.audit.keeping import Keeping
from governance.audit.note import Believed
from governance.audit.report import Report
from governance.audit.verification import verify
from storage.audit_log.checkpoints import CheckpointFiles

FETCH_ROWS = 1000
"""Rows in memory at once."""

# Missing values come as values that cannot verify; only somebody who dropped the constraints can make them.
_ENTRIES = """
    select coalesce(seq, -1), coalesce(entry, ''), coalesce(leaf, ''), coalesce(mac, ''), coalesce(chain, '')
    from audit_entries order by seq
"""

_OUTBOX = "select id, coalesce(entry, ''), coalesce(leaf, ''), coalesce(mac, '') from audit_outbox order by id"

# An authentic entry that was copied as a whole is seen only by its twin.
_REPEATED = """
    select array_agg(seq order by seq) from audit_entries
    where leaf in (select leaf from audit_entries group by leaf having count(*) > 1 limit 1000)
    group by leaf
"""


def verify_log(
    dsn: str,
    checkpoint_dir: Path,
    *,
    public_key: Believed,
    mac_key: bytes | None,
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> Report:
    """Verify the log of a database against the checkpoints in `checkpoint_dir`; see `governance.audit.verify`.

    Entries that business transactions add meanwhile do not disturb. Raises psycopg.Error, OSError.
    """
    with psycopg.connect(dsn, connect_timeout=10, application_name="gatehouse audit verify") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return verify_transaction(
            connection,
            checkpoint_dir,
            public_key=public_key,
            mac_key=mac_key,
            progress=progress,
            keeping=keeping,
        )


def verify_transaction(
    connection: psycopg.Connection[Any],
    checkpoint_dir: Path,
    *,
    public_key: Believed,
    mac_key: bytes | None,
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> Report:
    """As `verify_log`, with what `connection` sees: in a transaction that has not read anything yet, in
    REPEATABLE READ, or in one that nobody else's writing concerns.
    """
    files = CheckpointFiles(checkpoint_dir)
    # Files first: a checkpoint follows the commit of its entries, so it cannot lead a snapshot taken later.
    seen = files.snapshot()
    return verify(
        _entries(connection),
        files.notes(seen.log_bytes),
        public_key=public_key,
        mac_key=mac_key,
        head=_head(connection),
        newest=seen.newest,
        outbox=_outbox(connection),
        repeated=_repeated(connection),
        progress=progress,
        keeping=keeping if keeping is not None else Keeping(),
    )


def _head(connection: psycopg.Connection[Any]) -> Head | None:
    row = connection.execute("select size, chain, frontier from audit_head").fetchone()
    return Head(row[0], row[1], tuple(row[2])) if row is not None else None


def _entries(connection: psycopg.Connection[Any]) -> Iterator[Entry]:
    """The log in order, sent by the server while the rows before are being judged.

    Plain tuples in the order of `Entry`: making the named ones would cost a tenth of the whole walk.
    """
    # Without statistics (a log that was just restored) the planner would sort the log instead of walking it.
    connection.execute("set local enable_sort = off")
    with connection.cursor(binary=True) as cursor:
        rows = FETCH_ROWS if psycopg.capabilities.has_stream_chunked() else 1
        yield from cursor.stream(_ENTRIES, size=rows)


def _outbox(connection: psycopg.Connection[Any]) -> Iterator[tuple[int, Draft]]:
    with connection.cursor("audit_outbox_walk", binary=True) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(_OUTBOX)
        for row in cursor:
            yield row[0], Draft(*row[1:])


def _repeated(connection: psycopg.Connection[Any]) -> list[tuple[int, ...]]:
    return [tuple(row[0]) for row in connection.execute(_REPEATED)]
