"""Every minute: requests that nobody works on are started again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta

from prefect import flow, get_run_logger, runtime

from flows.runtime import platform
from governance.operations.launching import reconcile
from governance.operations.nights import reconcile_nights, watch_nights
from governance.operations.tending import tend
from governance.operations.validation_runs import reconcile_runs
from governance.validation.runs import run_lease
from storage.composition import Platform
from storage.leases import worked_on
from storage.schedules import due_before

_NIGHTS_LOOKED_BACK = 7


def _validation(parts: Platform) -> dict[str, list[str]]:
    """Nights that nobody began or that lost their worker, and runs that lost theirs."""
    settings, call = parts.settings, parts.system_call(f"run:{runtime.flow_run.id}")
    orphan_after = timedelta(seconds=settings.orphan_seconds)

    def held(name: str) -> bool:
        return worked_on(parts.engine, name)

    due = due_before(settings.nightly_cron, settings.nightly_timezone, call.at, _NIGHTS_LOOKED_BACK)
    watch_nights(parts.new_unit, call, due, batch_size=settings.nightly_batch, hours=settings.nightly_hours)
    return {
        "nights": list(reconcile_nights(parts.new_unit, parts.launcher, call, held, orphan_after=orphan_after)),
        "validations": list(
            reconcile_runs(
                parts.new_unit,
                parts.launcher,
                call,
                lambda run_id: held(run_lease(run_id)),
                orphan_after=orphan_after,
            )
        ),
    }


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
        **await asyncio.to_thread(_validation, parts),
    }
    for kind, requests in found.items():
        for request_id in requests:
            get_run_logger().info("%s: %s", kind, request_id)
    return found
