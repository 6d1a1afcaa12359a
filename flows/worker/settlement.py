"""The last word on a flow run whose process has ended.

The engine in the process reports the outcome itself. What remains for the worker are processes that could not: killed,
out of memory, left by `os._exit`, or unable to reach the orchestrator. The rules, by the state the run was left in:

    completed, failed, ...   the engine has spoken
    paused, scheduled        suspended or to be retried: leaving is right
    cancelling               whoever asked got what they asked for: cancelled
    pending, running         the process left without a word: crashed
"""

from __future__ import annotations

import asyncio
import signal
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.states import Cancelled, Crashed

_log = get_logger("worker.settlement")

_RETRY_SECONDS = 1.0


async def settle(client: PrefectClient, flow_run_id: UUID, exit_code: int | None) -> None:
    """Give the run its final state if it has none. Tries until the orchestrator answers; a deleted run is settled."""
    while True:
        try:
            flow_run = await client.read_flow_run(flow_run_id)
            verdict = last_word(flow_run.state, exit_code)
            if verdict is not None:
                # Only force may end a cancelling run. Crashed is proposed: if the state has moved on, that one stays.
                await client.set_flow_run_state(flow_run_id, verdict, force=verdict.is_cancelled())
                _log.info("Flow run %s is %s: %s", flow_run_id, verdict.name, verdict.message)
            return
        except ObjectNotFound:
            return
        except httpx.HTTPError as trouble:
            _log.warning("Cannot settle flow run %s yet: %s", flow_run_id, trouble)
            await asyncio.sleep(_RETRY_SECONDS)


def last_word(state: State | None, exit_code: int | None) -> State | None:
    """The state to set when the process of a run in `state` has ended with `exit_code`; None to leave it."""
    if state is not None and (state.is_final() or state.is_paused() or state.is_scheduled()):
        return None
    if state is not None and state.is_cancelling():
        return Cancelled(message="The process was stopped on request.")
    return Crashed(message=f"The process ended without reporting an outcome: {_describe(exit_code)}.")


def _describe(exit_code: int | None) -> str:
    if exit_code is None:
        return "exit code unknown"
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
