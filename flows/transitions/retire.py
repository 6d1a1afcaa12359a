"""End a version for good."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="retire", persist_result=False)
async def retire(request_id: str) -> State[None]:
    """End a version for good."""
    return await carry_out(request_id)
