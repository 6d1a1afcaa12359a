"""Serve an approved version in production; the incumbent becomes deprecated."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="promote-production", persist_result=False)
async def promote_production(request_id: str) -> State[None]:
    """Serve an approved version in production; the incumbent becomes deprecated."""
    return await carry_out(request_id)
