"""Return the previous version to production; the present one goes back to its developers."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="rollback", persist_result=False)
async def rollback(request_id: str) -> State[None]:
    """Return the previous version to production; the present one goes back to its developers."""
    return await carry_out(request_id)
