"""One version, validated because somebody asked."""

from __future__ import annotations

import asyncio

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.runtime import platform
from flows.validation import story
from flows.validation.data import Examples
from flows.validation.running import give_up, measure_one
from flows.validation.settling import settle_all
from governance.operations.validation_runs import MOST_ATTEMPTS, begin_run
from governance.validation.runs import UNMEASURED, RunStatus, run_lease
from storage.leases import working_on


@flow(name="validate-version", persist_result=False)
async def validate_version(run_id: str) -> State[None]:
    """Execute the suites, compare with the baseline, settle. The final state names the outcome."""
    parts = platform()
    correlation = f"run:{runtime.flow_run.id}"
    with working_on(parts.engine, run_lease(run_id)):
        run = await asyncio.to_thread(begin_run, parts.new_unit(), parts.system_call(correlation), run_id)
        if run.status in UNMEASURED:
            if run.attempt > MOST_ATTEMPTS:
                await asyncio.to_thread(give_up, parts, run)
            else:
                with Examples(parts) as examples:
                    await asyncio.to_thread(measure_one, parts, run, examples)
        with parts.new_unit() as uow:
            run = uow.runs.get(run_id)
        if run.status is RunStatus.MEASURED:
            await asyncio.to_thread(settle_all, parts, [run], correlation)
            with parts.new_unit() as uow:
                run = uow.runs.get(run_id)
    await story.publish_run(run)
    return Completed(name=run.status.value.replace("_", " ").title().replace(" ", ""), message=story.headline(run))
