"""Take a version out of production without a successor."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="deprecate", persist_result=False)
async def deprecate(request_id: str) -> State[None]:
    """Take a version out of production without a successor."""
    return await carry_out(request_id)
