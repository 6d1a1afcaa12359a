"""Every minute: requests that nobody works on are started again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta

from prefect import flow, get_run_logger, runtime

from flows.runtime import platform
from governance.operations.launching import reconcile
from governance.operations.tending import tend


@flow(name="reconcile", persist_result=False)
async def reconcile_requests() -> dict[str, list[str]]:
    """Launch what was recorded but never started, start crashed runs again, wake runs whose people have decided, and
    do what time does: remind, escalate, expire, ask for reviews.
    """
    parts = platform()
    done = await asyncio.to_thread(
        reconcile,
        parts.new_unit,
        parts.launcher,
        parts.system_call(f"run:{runtime.flow_run.id}"),
        orphan_after=timedelta(seconds=parts.settings.orphan_seconds),
    )
    # Afterwards, with a time of its own: what failed here must not keep lost requests from being started again.
    tended = await asyncio.to_thread(
        tend, parts.new_unit, parts.launcher, parts.system_call(f"run:{runtime.flow_run.id}")
    )
    found = {
        "launched": list(done.launched),
        "relaunched": list(done.relaunched),
        "woken": list(done.woken),
        "unreachable": list(done.unreachable),
        **{kind: list(ids) for kind, ids in asdict(tended).items()},
    }
    for kind, requests in found.items():
        for request_id in requests:
            get_run_logger().info("%s: %s", kind, request_id)
    return found
