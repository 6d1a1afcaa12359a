"""Serve an approved version in staging."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.transitions.running import carry_out


@flow(name="deploy-staging", persist_result=False)
async def deploy_staging(request_id: str) -> State[None]:
    """Serve an approved version in staging."""
    return await carry_out(request_id)
