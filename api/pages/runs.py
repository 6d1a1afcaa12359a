"""The list of one's requests, and the page of one request."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from api.deps import Caller, PoolDep
from api.pages.page_route import PageRoute
from api.pages.rendering import page
from api.pages.story import story_of
from storage.queries import requests
from storage.queries.pages import PageRequest
from storage.queries.run_page import run_page

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PAGE = 20


@router.get("/", response_class=HTMLResponse)
async def home(
    request: Request, caller: Caller, pool: PoolDep, after: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """The caller's own requests, newest first."""
    found = await requests.requests(pool, PageRequest(size=_PAGE, token=after), requester_id=caller.id)
    return page(
        request, "home.html", requests=json.loads(found.items), total=found.total, more=found.more,
        older=found.next_token, first=after is None,
    )  # fmt: skip


@router.get("/runs/{request_id}", response_class=HTMLResponse)
async def run(request_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """The story of one request: what is asked, what the gates say, from what evidence, and what came of it."""
    return page(request, "run.html", story=story_of(await run_page(pool, request_id)))
