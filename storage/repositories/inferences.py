"""Tallies of inferences: appended by span of time, added to the totals of their version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Connection

from governance.monitoring.error_types import OTHER
from governance.monitoring.points import Tally, Window

# Everything that locks does so in the order of version ids, so that processes wait for each other and not in circles.
_REPORTERS = """insert into inference_reporters (version_id, user_id, since)
    select * from unnest(%(versions)s::uuid[], %(users)s::uuid[], %(since)s::timestamptz[]) as new (v, u, s)
    order by v, u on conflict do nothing returning version_id::text, user_id::text"""
_ENSURE = """insert into inference_totals (version_id, points, successes, sum_ns, error_types, last_at)
    select v, 0, 0, 0, '{}', '-infinity' from unnest(%(versions)s::uuid[]) as new (v)
    order by v on conflict do nothing"""
_TYPES = """select version_id::text, error_types from inference_totals
    where version_id = any(%(versions)s::uuid[]) order by version_id"""
_TOTALS = """insert into inference_totals as t (version_id, points, successes, sum_ns, error_types, last_at)
    select v, p, s, n, string_to_array(e, ','), l from unnest(%(versions)s::uuid[], %(points)s::bigint[],
        %(successes)s::bigint[], %(sums)s::numeric[], %(errors)s::text[], %(last)s::timestamptz[])
        as new (v, p, s, n, e, l) order by v
    on conflict (version_id) do update set points = t.points + excluded.points,
        successes = t.successes + excluded.successes, sum_ns = t.sum_ns + excluded.sum_ns,
        last_at = greatest(t.last_at, excluded.last_at),
        error_types = case when excluded.error_types <@ t.error_types then t.error_types else
            t.error_types || array(select unnest(excluded.error_types) except select unnest(t.error_types)) end"""
_SKETCHES = """insert into inference_sketches (id, version_id, span, starts_at, points, successes, sum_ns, min_ms,
        max_ms, errors, sketch, last_at)
    select * from unnest(%(ids)s::uuid[], %(versions)s::uuid[], %(spans)s::text[], %(starts)s::timestamptz[],
        %(points)s::bigint[], %(successes)s::bigint[], %(sums)s::numeric[], %(mins)s::float8[], %(maxs)s::float8[],
        %(errors)s::jsonb[], %(sketches)s::bytea[], %(last)s::timestamptz[])"""

Row = tuple[str, Window, Tally]


class InferenceRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def new_reporters(self, pairs: Mapping[tuple[str, str], datetime]) -> list[tuple[str, str]]:
        values = {
            "versions": [version for version, _ in pairs],
            "users": [user for _, user in pairs],
            "since": list(pairs.values()),
        }
        return [(row[0], row[1]) for row in self._connection.exec_driver_sql(_REPORTERS, values)]

    def error_types(self, version_ids: Sequence[str], *, lock: bool = False) -> dict[str, frozenset[str]]:
        values = {"versions": list(version_ids)}
        if lock:
            self._connection.exec_driver_sql(_ENSURE, values)
        rows = self._connection.exec_driver_sql(_TYPES + (" for update" if lock else ""), values)
        return dict.fromkeys(version_ids, frozenset()) | {row[0]: frozenset(row[1]) for row in rows}

    def add(self, measured: Mapping[str, Mapping[Window, Tally]]) -> None:
        sums = []
        for version_id, own in measured.items():
            total = Tally()
            for tally in own.values():
                total.points += tally.points
                total.successes += tally.successes
                total.sum_ns += tally.sum_ns
                total.errors.update(tally.errors)
                total.last_at = max(filter(None, (total.last_at, tally.last_at)), default=None)
            sums.append((version_id, total))
        values = {
            "versions": [version_id for version_id, _ in sums],
            "points": [total.points for _, total in sums],
            "successes": [total.successes for _, total in sums],
            "sums": [str(total.sum_ns) for _, total in sums],
            "errors": [",".join(sorted(total.errors.keys() - {OTHER})) for _, total in sums],
            "last": [total.last_at for _, total in sums],
        }
        self._connection.exec_driver_sql(_TOTALS, values)
        append(
            self._connection, [(one, window, tally) for one, own in measured.items() for window, tally in own.items()]
        )


def append(connection: Connection, rows: Sequence[Row]) -> None:
    """Rows of (version, span of time, tally); totals are not touched."""
    tallies = [tally for _, _, tally in rows]
    values: dict[str, Any] = {
        "ids": [str(uuid_utils.uuid7()) for _ in rows],
        "versions": [version_id for version_id, _, _ in rows],
        "spans": [window.span.value for _, window, _ in rows],
        "starts": [window.start for _, window, _ in rows],
        "points": [tally.points for tally in tallies],
        "successes": [tally.successes for tally in tallies],
        "sums": [str(tally.sum_ns) for tally in tallies],
        "mins": [tally.min_ms for tally in tallies],
        "maxs": [tally.max_ms for tally in tallies],
        "errors": [json.dumps(dict(tally.errors)) for tally in tallies],
        "sketches": [tally.sketch.to_bytes() for tally in tallies],
        "last": [tally.last_at for tally in tallies],
    }
    connection.exec_driver_sql(_SKETCHES, values)
