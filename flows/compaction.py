"""Every ten minutes: measurements of inferences are merged, and old ones kept by hour and by day."""

from __future__ import annotations

import asyncio

from prefect import flow, get_run_logger

from flows.runtime import platform
from storage.composition import now
from storage.metrics.compaction import compact


@flow(name="compact-metrics", persist_result=False)
async def compact_metrics() -> dict[str, int]:
    """How many spans were merged, and how many rows are no more."""
    done = await asyncio.to_thread(compact, platform().engine, now())
    get_run_logger().info("%s spans merged, %s rows fewer", done.groups, done.rows)
    return {"spans": done.groups, "rows": done.rows}
