"""Run evaluation suites on a version and store what they found. No state moves."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="evaluate", persist_result=False)
async def evaluate(request_id: str) -> State[None]:
    """Run evaluation suites on a version and store what they found. No state moves."""
    return await carry_out(request_id)
