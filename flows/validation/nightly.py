"""The night: opened, cut, handed out, judged over the whole fleet, settled model by model."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.runtime import platform
from flows.validation import story
from flows.validation.settling import settle_all
from governance.errors import DependencyUnavailable
from governance.operations.nights import Batches, Watch, end_night, night_lease, open_night, tend_batches
from governance.validation.nights import NightStatus, date_of
from storage.composition import Platform, now
from storage.leases import worked_on, working_alone

POLL_SECONDS = 1.0


@flow(name="nightly-validation", persist_result=False)
async def nightly_validation(night_id: str | None = None) -> State[None]:
    """Validate every active version. Without an id: the night of today, which its schedule begins.

    May be killed and repeated at any point: batches that are done stay done, runs that are settled stay settled.
    """
    parts = platform()
    if night_id is None:
        night_id = await asyncio.to_thread(_tonight, parts)
    with working_alone(parts.engine, night_lease(night_id)) as alone:
        if not alone:
            return Completed(name="Elsewhere", message="Another run is at work on this night.")
        status = await _walk(parts, night_id)
    return Completed(name=status.value.title(), message=await asyncio.to_thread(_said, parts, night_id))


async def _walk(parts: Platform, night_id: str) -> NightStatus:
    with parts.new_unit() as uow:
        night = uow.nights.get(night_id)
    if night.status is not NightStatus.RUNNING:
        return night.status
    correlation = f"run:{runtime.flow_run.id}"
    started = time.monotonic()
    progress = await story.Progress.begin("night", f"Night of {night.night}", night.models)
    await _hand_out(parts, night_id, night.deadline_at, correlation, progress)
    measured_after = time.monotonic() - started
    left, before = -1, 0
    while left and left != before:  # a worker may have measured one meanwhile
        before, left = left, await asyncio.to_thread(_settle, parts, night_id, correlation)
    seconds = {"measuring": round(measured_after, 1), "settling": round(time.monotonic() - started - measured_after, 1)}
    status = await asyncio.to_thread(
        end_night, parts.new_unit(), parts.system_call(correlation), night_id, seconds=seconds
    )
    await progress.at(night.models)
    await story.publish_night(night_id)
    return status


async def _hand_out(
    parts: Platform, night_id: str, deadline: datetime, correlation: str, progress: story.Progress
) -> None:
    """Until every batch is measured, or given up, or the night is over."""
    watch = Watch()
    while now() < deadline:
        try:
            batches: Batches = await asyncio.to_thread(
                tend_batches,
                parts.new_unit,
                parts.launcher,
                parts.system_call(correlation),
                night_id,
                lambda lease: worked_on(parts.engine, lease),
                orphan_after=timedelta(seconds=parts.settings.orphan_seconds),
                watch=watch,
            )
        except DependencyUnavailable as error:
            get_run_logger().warning("%s", error)
        else:
            if batches.lost:
                get_run_logger().warning("%d batches were lost and begun again, or given up", batches.lost)
            if batches.over:
                return
        await progress.at(await asyncio.to_thread(_measured, parts, night_id))
        await asyncio.sleep(POLL_SECONDS)


def _settle(parts: Platform, night_id: str, correlation: str) -> int:
    with parts.new_unit() as uow:
        runs = uow.runs.of_night(night_id)
    return settle_all(parts, runs, correlation)


def _tonight(parts: Platform) -> str:
    """The night of the date for which the run was scheduled, however late it is taken."""
    scheduled = runtime.flow_run.scheduled_start_time
    settings = parts.settings
    night_id, _ = open_night(
        parts.new_unit(),
        parts.system_call(f"run:{runtime.flow_run.id}"),
        night=date_of(scheduled or now(), settings.nightly_timezone),
        trigger="schedule",
        batch_size=settings.nightly_batch,
        hours=settings.nightly_hours,
    )
    return night_id


def _measured(parts: Platform, night_id: str) -> int:
    with parts.new_unit() as uow:
        progress = uow.nights.progress(night_id)
    return sum(n for status, n in progress.items() if status not in ("queued", "running"))


def _said(parts: Platform, night_id: str) -> str:
    with parts.new_unit() as uow:
        summary: dict[str, Any] = dict(uow.nights.get(night_id).summary)
    return (
        f"{summary.get('models_processed', 0)} validated, {summary.get('regressions_detected', 0)} regressions, "
        f"{summary.get('not_reached', 0)} not reached"
    )
