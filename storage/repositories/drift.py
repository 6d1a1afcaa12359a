"""Drift: references and live counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import insert

from governance.drift.observations import TOTALS, Tally
from governance.drift.report import DriftReference, LiveCounts, sketches_from_json
from governance.drift.sketches import Counts
from storage.tables import drift_references

# In one order for everybody, so that two calls never wait for each other in a circle.
_ADD = text(
    """insert into live_sketches as live (version_id, hour, position, counts)
       select cast(:version_id as uuid), hour, position, cells::bigint[]
       from unnest(cast(:hours as timestamptz[]), cast(:positions as integer[]), cast(:counts as text[]))
           as added (hour, position, cells)
       order by hour, position
       on conflict (version_id, hour, position) do update set counts = (
           select array_agg(a + b order by i)
           from unnest(live.counts, excluded.counts) with ordinality as both_of (a, b, i))"""
)

_SUMS = text(
    """select position, cell, sum(n) as n
       from live_sketches cross join unnest(counts) with ordinality as of_row (n, cell)
       where version_id = cast(:version_id as uuid) and hour >= :since and hour < :until
       group by position, cell order by position, cell"""
)


class DriftRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reference(self, version_id: str) -> DriftReference | None:
        row = self._connection.execute(
            select(drift_references).where(drift_references.c.version_id == version_id)
        ).one_or_none()
        return None if row is None else _reference(row)

    def pin(self, reference: DriftReference) -> bool:
        values: Mapping[str, Any] = {
            "version_id": reference.version_id,
            "suite_id": reference.suite_id,
            "dataset_sha256": reference.dataset_sha256,
            "outcomes_sha256": reference.outcomes_sha256,
            "sketches": [sketch.to_json() for sketch in reference.sketches],
            "omitted": reference.omitted,
            "digest": reference.digest,
            "created_at": reference.created_at,
        }
        pinned = insert(drift_references).values(values).on_conflict_do_nothing().returning(drift_references.c.digest)
        return self._connection.execute(pinned).one_or_none() is not None

    def add(self, version_id: str, counted: Tally) -> None:
        rows = sorted(counted.rows.items())
        self._connection.execute(
            _ADD,
            {
                "version_id": version_id,
                "hours": [hour for (hour, _), _ in rows],
                "positions": [position for (_, position), _ in rows],
                "counts": ["{" + ",".join(map(str, counts)) + "}" for _, counts in rows],
            },
        )

    def between(self, version_id: str, since: datetime, until: datetime) -> LiveCounts:
        rows = self._connection.execute(_SUMS, {"version_id": version_id, "since": since, "until": until})
        found: dict[int, list[int]] = {}
        for row in rows:
            found.setdefault(row.position, []).append(int(row.n))
        observations, unknown = found.pop(TOTALS, [0, 0])
        counts: dict[int, Counts] = {position: tuple(cells) for position, cells in found.items()}
        return LiveCounts(counts, observations, unknown)


def _reference(row: Row[Any]) -> DriftReference:
    return DriftReference(
        version_id=row.version_id,
        suite_id=row.suite_id,
        dataset_sha256=row.dataset_sha256,
        outcomes_sha256=row.outcomes_sha256,
        sketches=sketches_from_json(row.sketches),
        omitted=row.omitted,
        created_at=row.created_at,
    )
