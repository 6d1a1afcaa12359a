"""Writing events in the business transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from governance.audit.entry import draft
from governance.audit.event import AuditEvent

# One text for any number of rows, so that every layer can keep it prepared; ids follow the order of events.
_INSERT = text(
    """
    insert into audit_outbox (entry, leaf, mac)
    select entry, leaf, mac
    from unnest(cast(:entries as text[]), cast(:leaves as bytea[]), cast(:macs as bytea[]))
      with ordinality as row (entry, leaf, mac, place)
    order by place
    """
)


def append(connection: Connection, events: Sequence[AuditEvent], *, key: bytes) -> None:
    """Record `events` in the transaction of `connection`, in one statement.

    Events of one call keep their order. Raises InvalidInput for an event without canonical form and
    ValueError for no events at all (a change that nobody describes is a mistake); SQLAlchemy's errors pass
    through, so that without an entry there is no change.
    """
    if not events:
        raise ValueError("there is nothing to record")
    rows = [draft(event, key) for event in events]
    connection.execute(
        _INSERT,
        {
            "entries": [row.entry for row in rows],
            "leaves": [row.leaf for row in rows],
            "macs": [row.mac for row in rows],
        },
    )
