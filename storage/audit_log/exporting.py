"""The log as one long answer: NDJSON or CSV, in constant memory, in the order of the log.

A connection of its own reads through a cursor of the server, in one snapshot. Whoever stops reading ends it: the
statement is cancelled and the connection closed. The last record says that it is the last; without it the answer
was cut.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import psycopg

from governance.errors import RateLimited
from storage.queries.pages import Conditions
from storage.queries.times import iso

Form = Literal["ndjson", "csv"]

FETCH_ROWS = 2_000
"""Entries in memory at once."""

MOST_AT_ONCE = 2
"""Exports of one process; each keeps a connection and a snapshot for minutes."""

COLUMNS = (
    "seq", "id", "at", "action", "actorKind", "actorId", "actorName", "subjectKind", "subjectId", "modelId",
    "versionId", "requestId", "digest", "before", "after", "details", "leaf", "chain",
)  # fmt: skip

_SOURCE = "audit_index i join audit_entries e on e.seq = i.seq and e.entry is not null"

# The entry goes out as the very bytes that were hashed, so that a reader can compute the leaf.
_NDJSON = """'{"seq":' || e.seq || ',"leaf":"' || encode(e.leaf, 'hex') || '","chain":"' || encode(e.chain, 'hex')
    || '","entry":' || e.entry || '}'"""

_CSV = f"""e.seq, i.event_id, {iso("i.at")}, i.action, e.entry::json -> 'actor' ->> 'kind', i.actor_id, i.actor_name,
    i.subject_kind, i.subject_id, i.model_id::text, i.version_id::text, i.request_id,
    e.entry::json ->> 'digest', (e.entry::json -> 'before')::text, (e.entry::json -> 'after')::text,
    (e.entry::json -> 'details')::text, encode(e.leaf, 'hex'), encode(e.chain, 'hex')"""

_running = 0


class Export:
    """One export. `async with` opens it, so that a database that does not answer is a refusal and no torn answer."""

    def __init__(self, database_url: str, where: Conditions, form: Form, note: str | None) -> None:
        """note: the newest checkpoint, which goes into the last record."""
        self._url = database_url
        self._where = where
        self._form = form
        self._note = note
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> None:
        """Raises RateLimited, psycopg.OperationalError."""
        global _running  # noqa: PLW0603 (of the process, as the limit is)
        if _running >= MOST_AT_ONCE:
            raise RateLimited(
                f"{MOST_AT_ONCE} exports are running; try again when one has ended.", details={"retryAfter": 30}
            )
        _running += 1
        try:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, connect_timeout=5, application_name="gatehouse audit export"
            )
            await self._connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await self._connection.set_read_only(True)
            # The server looks for us while it searches, and stops when we are gone.
            await self._connection.execute("set client_connection_check_interval = '1s'")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """At once: a task that is being cancelled can wait for nothing any more."""
        global _running  # noqa: PLW0603
        connection, self._connection = self._connection, None
        _running -= 1
        if connection is not None:
            connection.pgconn.finish()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer's body. Closes the export in the end, however that comes."""
        connection = self._connection
        if connection is None:
            raise RuntimeError("this export is not open")
        columns = _NDJSON if self._form == "ndjson" else _CSV
        statement = f"select {columns} from {_SOURCE} where {self._where.sql} order by i.seq"  # noqa: S608 (constants)
        entries = 0
        try:
            if self._form == "csv":
                yield _csv([COLUMNS])
            async with connection.cursor("audit_export") as cursor:
                # A cursor is planned for its first rows otherwise, and sorts nothing.
                await cursor.execute(statement, self._where.values)
                while rows := await cursor.fetchmany(FETCH_ROWS):
                    entries += len(rows)
                    if self._form == "ndjson":
                        yield ("\n".join(row[0] for row in rows) + "\n").encode()
                    else:
                        yield _csv([[_safe(cell) for cell in row] for row in rows])
            yield self._last(entries)
        finally:
            self.close()

    def _last(self, entries: int) -> bytes:
        told = {"end": True, "entries": entries, "checkpoint": self._note}
        if self._form == "ndjson":
            return (json.dumps(told, ensure_ascii=False) + "\n").encode()
        return _csv([["end", str(entries), _safe(self._note or "")]])


def _safe(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _csv(rows: Any) -> bytes:
    """RFC 4180."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
