"""A part of a night, on whatever worker takes it."""

from __future__ import annotations

from asyncio import sleep, to_thread
from collections.abc import Iterator

from prefect import flow, get_run_logger, runtime

from flows.runtime import platform
from flows.validation import story
from flows.validation.data import Examples
from flows.validation.running import give_up, measure_one
from governance.errors import DependencyUnavailable
from governance.operations.nights import batch_lease, begin_batch, finish_batch
from governance.operations.validation_runs import MOST_ATTEMPTS
from governance.validation.nights import NightStatus
from governance.validation.runs import ValidationRun
from storage.composition import Platform
from storage.leases import working_on

LONGEST_PAUSE = 60  # seconds


@flow(name="validate-batch", persist_result=False)
async def validate_batch(night_id: str, number: int) -> dict[str, int]:
    """Measure the versions of the batch one by one, until the night ends. Repeating it goes on where it was."""
    parts = platform()
    measured = 0
    with working_on(parts.engine, batch_lease(night_id, number)):
        call = parts.system_call(f"run:{runtime.flow_run.id}")
        runs = await to_thread(begin_batch, parts.new_unit(), call, night_id, number)
        progress = await story.Progress.begin(f"batch-{number}", f"Batch {number}", len(runs))
        with Examples(parts) as examples:
            for run in runs:
                if not await _measure(parts, night_id, run, examples):
                    break
                measured += 1
                await progress.at(measured)
        await to_thread(finish_batch, parts.new_unit(), parts.system_call(), night_id, number)
    return {"measured": measured}


async def _measure(parts: Platform, night_id: str, run: ValidationRun, examples: Examples) -> bool:
    """False when the night is over. While storage or the database is away, it is tried again, a little later each time;
    that is no fault of the version's.
    """
    for pause in _pauses():
        try:
            return await to_thread(_attempt, parts, night_id, run, examples)
        except DependencyUnavailable as error:
            get_run_logger().warning("%s; again in %d s", error.message, pause)
        await sleep(pause)
    return False


def _pauses() -> Iterator[int]:
    pause = 1
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, 2 * pause)


def _attempt(parts: Platform, night_id: str, run: ValidationRun, examples: Examples) -> bool:
    """A version that takes its worker down is tried again with its batch, and then given up alone."""
    with parts.new_unit() as uow:
        if uow.nights.get(night_id).status is not NightStatus.RUNNING:
            return False
        uow.runs.running(run.id, parts.system_call().at)
        uow.runs.launched(run.id, str(runtime.flow_run.id), run.attempt + 1)
        uow.commit()
    if run.attempt >= MOST_ATTEMPTS:
        give_up(parts, run)
        return True
    try:
        measure_one(parts, run, examples)
    except DependencyUnavailable:
        with parts.new_unit() as uow:
            uow.runs.launched(run.id, str(runtime.flow_run.id), run.attempt)
            uow.commit()
        raise
    return True
