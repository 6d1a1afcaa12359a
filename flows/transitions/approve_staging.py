"""Let people decide whether a version may go to staging."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="approve-staging", persist_result=False)
async def approve_staging(request_id: str) -> State[None]:
    """Let people decide whether a version may go to staging."""
    return await carry_out(request_id)
