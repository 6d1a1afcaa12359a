"""Many rows of one span become one, and old spans longer ones; nothing that was counted changes.

Every step is one transaction: it locks rows, writes their sum and deletes them, so that a crash leaves either the rows
or their sum, and readers see one of the two. Rows that somebody else has locked are left for another time. Totals are
a table of their own and not touched.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from governance.monitoring.points import OLDEST, Tally, Window
from governance.monitoring.windows import MINUTES_KEPT, Span, oldest_kept
from storage.metrics.reading import COLUMNS, merge_row
from storage.repositories.inferences import Row, append

GROUPS_AT_ONCE = 50
"""Of one transaction."""

# Spans of which there is more than one row.
_REPEATED = """select version_id::text, span, starts_at from inference_sketches
    where span in ('minute', 'hour') and (%(version)s::uuid is null or version_id = %(version)s::uuid)
        and (%(since)s::timestamptz is null or starts_at >= %(since)s)
    group by version_id, span, starts_at having count(*) > 1 order by 1, 3"""
# Spans that are due to become part of a longer one, by the start of that one (UTC).
_DUE = """select distinct version_id::text, date_trunc(%(longer)s, starts_at, 'UTC') from inference_sketches
    where span = %(span)s and starts_at < %(before)s order by 1, 2"""
_LENGTH = {Span.MINUTE: "1 minute", Span.HOUR: "1 hour", Span.DAY: "1 day"}
_TAKE = f"""select {COLUMNS}, id::text from inference_sketches
    where version_id = %(version)s and span = any(%(spans)s) and starts_at >= %(start)s
        and starts_at < %(start)s + %(length)s::interval
    for update skip locked"""  # noqa: S608  (a constant of ours)
_DROP = "delete from inference_sketches where id = any(%(ids)s::uuid[])"
_LONGER = {Span.MINUTE: Span.HOUR, Span.HOUR: Span.DAY}


class Group(NamedTuple):
    """Rows of these spans that begin within `into` become one."""

    version_id: str
    spans: tuple[Span, ...]
    into: Window


class Compacted(NamedTuple):
    groups: int
    rows: int  # that are no more

    def __add__(self, other: object) -> Compacted:
        assert isinstance(other, Compacted)  # noqa: S101  (there is nothing else to add)
        return Compacted(self.groups + other.groups, self.rows + other.rows)


def compact(engine: Engine, at: datetime) -> Compacted:
    """Everything that is due. Several at once do no harm."""
    done = Compacted(0, 0)
    for span in (Span.MINUTE, Span.HOUR):
        longer = _LONGER[span]
        values = {"span": span.value, "longer": longer.value, "before": oldest_kept(span, at)}
        with engine.connect() as connection:
            due = connection.exec_driver_sql(_DUE, values).fetchall()
        done += _merge_all(engine, [Group(row[0], (span, longer), Window(longer, row[1])) for row in due])
    # Reports reach no further back, so that older spans have one row each, or become part of a longer one above.
    return done + compact_repeated(engine, since=at - OLDEST - MINUTES_KEPT)


def compact_repeated(engine: Engine, version_id: str | None = None, since: datetime | None = None) -> Compacted:
    """The minutes and hours of which there are several rows: of one version, or of all."""
    with engine.connect() as connection:
        repeated = connection.exec_driver_sql(_REPEATED, {"version": version_id, "since": since}).fetchall()
    return _merge_all(engine, [Group(row[0], (Span(row[1]),), Window(Span(row[1]), row[2])) for row in repeated])


def _merge_all(engine: Engine, groups: list[Group]) -> Compacted:
    done = Compacted(0, 0)
    for first in range(0, len(groups), GROUPS_AT_ONCE):
        with engine.begin() as connection:
            done += merge_groups(connection, groups[first : first + GROUPS_AT_ONCE])
    return done


def merge_groups(connection: Connection, groups: list[Group]) -> Compacted:
    """Within the caller's transaction."""
    sums: list[Row] = []
    gone: list[str] = []
    for group in groups:
        values = {
            "version": group.version_id,
            "spans": [span.value for span in group.spans],
            "start": group.into.start,
            "length": _LENGTH[group.into.span],
        }
        rows = connection.exec_driver_sql(_TAKE, values).fetchall()
        if len(rows) < 2 and group.spans == (group.into.span,):
            continue  # somebody else has merged them meanwhile
        if not rows:
            continue
        total = Tally()
        for row in rows:
            merge_row(total, row)
        sums.append((group.version_id, group.into, total))
        gone += [row[8] for row in rows]
    if sums:
        append(connection, sums)
        connection.exec_driver_sql(_DROP, {"ids": gone})
    return Compacted(len(sums), len(gone) - len(sums))
