"""Writing events in the business transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection, TextClause, text

from governance.audit.entry import draft
from governance.audit.event import AuditEvent

MOST_EVENTS = 20_000
"""Events of one call; PostgreSQL takes 65,535 parameters in one statement, three for each event."""


def append(connection: Connection, events: Sequence[AuditEvent], *, key: bytes) -> None:
    """Record `events` in the transaction of `connection`, in one statement.

    Events of one call keep their order. Raises InvalidInput for an event without canonical form and ValueError for no
    events at all (a change that nobody describes is a mistake) or more than MOST_EVENTS; SQLAlchemy's errors pass
    through, so that without an entry there is no change.
    """
    if not 0 < len(events) <= MOST_EVENTS:
        raise ValueError(f"one call records 1 to {MOST_EVENTS} events, not {len(events)}")
    values: dict[str, str | bytes] = {}
    for place, event in enumerate(events):
        row = draft(event, key)
        values[f"entry{place}"], values[f"leaf{place}"], values[f"mac{place}"] = row
    connection.execute(_insert(len(events)), values)


@lru_cache(maxsize=64)
def _insert(count: int) -> TextClause:
    """Plain values: arrays and `unnest` would be one text for any count, but cost a third more for one event."""
    rows = ", ".join(f"(:entry{place}, :leaf{place}, :mac{place})" for place in range(count))
    return text(f"insert into audit_outbox (entry, leaf, mac) values {rows}")  # noqa: S608 (only names of parameters)
