"""Hand a draft to the reviewers."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="submit", persist_result=False)
async def submit(request_id: str) -> State[None]:
    """Hand a draft to the reviewers."""
    return await carry_out(request_id)
