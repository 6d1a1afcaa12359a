"""Send a version back to its developers, with a reason."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="request-changes", persist_result=False)
async def request_changes(request_id: str) -> State[None]:
    """Send a version back to its developers, with a reason."""
    return await carry_out(request_id)
