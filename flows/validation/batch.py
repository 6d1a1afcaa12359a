"""A part of a night, on whatever worker takes it."""

from __future__ import annotations

import asyncio

from prefect import flow, runtime

from flows.runtime import platform
from flows.validation import story
from flows.validation.data import Examples
from flows.validation.running import give_up, measure_one
from governance.operations.nights import begin_batch, finish_batch
from governance.operations.validation_runs import MOST_ATTEMPTS
from governance.validation.runs import ValidationRun
from storage.composition import Platform
from storage.leases import working_on


@flow(name="validate-batch", persist_result=False)
async def validate_batch(night_id: str, number: int) -> dict[str, int]:
    """Measure the versions of the batch one after the other. Repeating it goes on where it was."""
    parts = platform()
    with working_on(parts.engine, f"batch:{night_id}:{number}"):
        call = parts.system_call(f"run:{runtime.flow_run.id}")
        runs = await asyncio.to_thread(begin_batch, parts.new_unit(), call, night_id, number)
        progress = await story.Progress.begin(f"batch-{number}", f"Batch {number}", len(runs))
        with Examples(parts) as examples:
            for done, run in enumerate(runs, start=1):
                await asyncio.to_thread(_measure, parts, run, examples)
                await progress.at(done)
        await asyncio.to_thread(finish_batch, parts.new_unit(), parts.system_call(), night_id, number)
    return {"measured": len(runs)}


def _measure(parts: Platform, run: ValidationRun, examples: Examples) -> None:
    """A version that takes its worker down is tried again with its batch, and then given up alone."""
    with parts.new_unit() as uow:
        uow.runs.running(run.id, parts.system_call().at)
        uow.runs.launched(run.id, str(runtime.flow_run.id), run.attempt + 1)
        uow.commit()
    if run.attempt > MOST_ATTEMPTS - 1:
        give_up(parts, run)
    else:
        measure_one(parts, run, examples)
