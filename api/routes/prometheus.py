"""Figures of the platform for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, PoolDep, permits
from api.exposition import CONTENT_TYPE, exposition
from api.schemas.base import refusals
from storage.queries.platform_figures import WATCHING, figures

router = APIRouter(tags=["Health"])

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Metrics in the text form of Prometheus.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **refusals(400, 401, 503),
}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=permits(*WATCHING),
    response_class=Response,
    responses=_TEXT,
)
async def get_platform_metrics(request: Request, caller: Caller, pool: PoolDep) -> Response:
    """Calls of the process that answers, and what is in the database: open requests and findings, versions by state,
    audit entries that wait, inferences of the 100 busiest versions (the others as one).

    Figures are those of the models that the caller may see. For a scraper that sees them all, make a service account
    with the role catalog_admin and give it a token with the one scope monitoring:read, which can do nothing else.
    """
    found = await figures(pool, caller)
    text = await run_in_threadpool(exposition, request.app.state.meter, found)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
