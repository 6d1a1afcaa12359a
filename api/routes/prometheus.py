"""Figures of the platform for Prometheus."""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.credentials import token_of
from api.deps import Permits, PoolDep, current_principal
from api.exposition import CONTENT_TYPE, exposition
from api.schemas.base import refusals
from governance.access.principal import Principal
from storage.queries.platform_figures import WATCHING, figures

router = APIRouter(tags=["Health"])

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Metrics in the text form of Prometheus.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **refusals(400, 401, 503),
}


class Scraping(Permits):
    """Lets in who holds the metrics token of the settings, and else who may read monitoring somewhere."""

    async def __call__(self, request: Request) -> Principal | None:  # type: ignore[override]  # it finds the caller
        expected = request.app.state.platform.settings.metrics_token
        if expected and hmac.compare_digest(token_of(request)[0].encode(), expected.encode()):
            return None
        caller = await current_principal(request)
        await super().__call__(caller)
        return caller


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response, responses=_TEXT)
async def get_platform_metrics(
    request: Request, caller: Annotated[Principal | None, Depends(Scraping(*WATCHING))], pool: PoolDep
) -> Response:
    """Calls of the process that answers, and what is in the database: open requests and findings, versions by state,
    audit entries that wait, inferences of the 100 busiest versions (the others as one).

    For `Authorization: Bearer` with GATEHOUSE_METRICS_TOKEN, which sees everything, or with a token that has
    monitoring:read, whose figures are those of the models that it may see.
    """
    found = await figures(pool, caller)
    text = await run_in_threadpool(exposition, request.app.state.meter, found)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
