"""Let people decide whether a version may go to production."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="approve-production", persist_result=False)
async def approve_production(request_id: str) -> State[None]:
    """Let people decide whether a version may go to production."""
    return await carry_out(request_id)
