"""Moving entries from the outbox into the log, one batch in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import psycopg

from governance.audit.chain import Head
from governance.audit.entry import Draft, is_authentic

BATCH_ROWS = 1000

_log = logging.getLogger(__name__)

# Missing values (constraints dropped by hand) must come out as rows to refuse, not as an error for ever.
_WAITING = """
    select id, coalesce(entry, ''), coalesce(leaf, ''), coalesce(mac, '') from audit_outbox
    where id <> all(%(refused)s::bigint[]) and id <= %(up_to)s order by id limit %(rows)s
"""

# The text never travels back: the row itself moves, and only its number and chain value come from here.
_MOVE = """
    with placed as (
      select * from unnest(%(ids)s::bigint[], %(seqs)s::bigint[], %(chains)s::bytea[]) as place (id, seq,
    chain) ), taken as (
      delete from audit_outbox using placed where audit_outbox.id = placed.id
      returning placed.seq, audit_outbox.entry, audit_outbox.leaf, audit_outbox.mac, placed.chain
    )
    insert into audit_entries (seq, entry, leaf, mac, chain) select seq, entry, leaf, mac, chain from taken
"""

_SET_HEAD = """
    update audit_head set size = %(size)s, chain = %(chain)s, frontier = %(frontier)s
    where size = %(old_size)s and chain = %(old_chain)s
"""

_ANY_ID = 2**63 - 1


class BrokenHistoryError(Exception):
    """What is stored does not continue what was stored or signed before; nothing may be built upon it."""


class Ledger:
    """The log as its one writer sees it. `connection` is in autocommit mode and holds the leadership.

    Rows that the platform did not write are left in the outbox, where verification finds them; `refused`
    counts them.
    """

    def __init__(self, connection: psycopg.Connection[Any], audit_key: bytes, rows: int = BATCH_ROWS) -> None:
        self._connection = connection
        self._key = audit_key
        self._rows = rows
        self._refused: list[int] = []
        self.head = self._stored_head()

    @property
    def refused(self) -> int:
        return len(self._refused)

    def waiting(self, up_to: int = _ANY_ID) -> list[tuple[int, Draft]]:
        """The next rows that the platform wrote, with ids of at most `up_to`; one batch at most."""
        while True:
            rows = self._connection.execute(
                _WAITING, {"refused": self._refused, "up_to": up_to, "rows": self._rows}
            ).fetchall()
            drafts = [(row[0], Draft(*row[1:])) for row in rows]
            authentic = [(identifier, row) for identifier, row in drafts if is_authentic(row, self._key)]
            if len(authentic) < len(drafts):
                self._refuse({identifier for identifier, _ in drafts} - {identifier for identifier, _ in authentic})
            if authentic or not drafts:
                return authentic

    def advance(self, up_to: int = _ANY_ID) -> int:
        """Move one batch; the number of entries moved, 0 when nothing waits.

        Raises BrokenHistoryError when the head is not what this writer left: then somebody else wrote to the
        log.
        """
        batch = self.waiting(up_to)
        if not batch:
            return 0
        head, chains = self.head.extended(row.leaf for _, row in batch)
        move = {
            "ids": [identifier for identifier, _ in batch],
            "seqs": list(range(self.head.size, head.size)),
            "chains": chains,
        }
        set_head = {
            "size": head.size,
            "chain": head.chain,
            "frontier": list(head.frontier),
            "old_size": self.head.size,
            "old_chain": self.head.chain,
        }
        # Everything up to the decision travels at once: on a busy machine each round trip costs a turn in the queue.
        with self._connection.pipeline() as pipeline, self._connection.transaction():
            set_rows = self._connection.execute(_SET_HEAD, set_head)
            moved_rows = self._connection.execute(_MOVE, move)
            pipeline.sync()
            if set_rows.rowcount != 1:
                raise BrokenHistoryError("the stored head of the audit log was changed by somebody else")
            if moved_rows.rowcount != len(batch):
                raise BrokenHistoryError("waiting audit entries were removed by somebody else")
        self.head = head
        return len(batch)

    def leaves(self) -> Iterator[bytes]:
        """Every leaf hash in the log up to the head, in order, streamed."""
        with self._connection.transaction(), self._connection.cursor("leaves", binary=True) as cursor:
            cursor.itersize = 10_000
            cursor.execute("select leaf from audit_entries where seq < %s order by seq", (self.head.size,))
            for (leaf,) in cursor:
                yield leaf

    def _stored_head(self) -> Head:
        row = self._connection.execute("select size, chain, frontier from audit_head").fetchone()
        if row is None:
            raise BrokenHistoryError("the audit log has no head")
        head = Head(row[0], row[1], tuple(row[2]))
        try:
            head.root()
        except (TypeError, ValueError) as error:
            raise BrokenHistoryError("the stored head of the audit log contradicts itself") from error
        return head

    def _refuse(self, identifiers: set[int]) -> None:
        self._refused.extend(sorted(identifiers))
        _log.error(
            "%d waiting audit rows were not written by the platform and are left aside, first id %d",
            len(identifiers),
            min(identifiers),
        )
