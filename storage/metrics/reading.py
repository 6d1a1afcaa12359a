"""What was measured over a window: the rows of one statement, so of one moment, merged.

Compaction keeps the number of rows small: at most 240 minutes, 800 hours and the days since the first report, and a few
hundred commits that were not merged yet (`storage.metrics.compaction`, `storage.metrics.recorder`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Connection

from governance.monitoring.points import Tally

COLUMNS = "points, successes, sum_ns, min_ms, max_ms, errors, sketch, last_at"
_OF_VERSION = f"""select {COLUMNS} from inference_sketches
    where version_id = %(version)s and (%(since)s::timestamptz is null or starts_at >= %(since)s)"""  # noqa: S608  (a constant of ours)
_OF_VERSIONS = f"""select {COLUMNS}, version_id::text from inference_sketches
    where version_id = any(%(versions)s::uuid[]) and starts_at >= %(start)s and starts_at < %(end)s"""  # noqa: S608


def merged(rows: Iterable[Sequence[Any]]) -> Tally:
    """rows: of COLUMNS, perhaps with more behind them."""
    total = Tally()
    for row in rows:
        merge_row(total, row)
    return total


def merge_row(total: Tally, row: Sequence[Any]) -> None:
    points, successes, sum_ns, low, high, errors, sketch, last_at = row[:8]
    total.points += points
    total.successes += successes
    total.sum_ns += int(sum_ns)
    total.min_ms = min(total.min_ms, low)
    total.max_ms = max(total.max_ms, high)
    total.errors.update(errors)
    total.sketch.merge_bytes(sketch)
    total.last_at = last_at if total.last_at is None else max(total.last_at, last_at)


async def measured(pool: AsyncConnectionPool, version_id: str, since: datetime | None) -> Tally:
    """Everything of a version since then (`governance.monitoring.windows.window_start`); None: ever."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_OF_VERSION, {"version": version_id, "since": since}, binary=True)
        rows = await cursor.fetchall()
    return await asyncio.to_thread(merged, rows)


def nightly_latency(
    connection: Connection, version_ids: Sequence[str], start: datetime, end: datetime
) -> dict[str, tuple[int, float, float]]:
    """(inferences, p50, p95) in milliseconds of each version that had some in [start, end), in one statement.

    Percentiles are within 1 %. The bounds are meant to be full hours: a span counts when it begins between them.
    """
    found: dict[str, Tally] = {}
    values = {"versions": list(version_ids), "start": start, "end": end}
    for row in connection.exec_driver_sql(_OF_VERSIONS, values):
        merge_row(found.setdefault(row[8], Tally()), row)
    return {
        version_id: (tally.points, tally.quantile(0.5) or 0.0, tally.quantile(0.95) or 0.0)
        for version_id, tally in found.items()
    }
