"""The list of one's requests, and the page of one request."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from psycopg_pool import AsyncConnectionPool
from starlette.responses import HTMLResponse, Response

from api.deps import Caller, PlatformDep, PoolDep, permits
from api.pages.page_route import PageRoute
from api.pages.rendering import page, problem
from api.pages.story import story_of
from api.reviewing import review_of
from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.access.reach import reach_of
from governance.lifecycle import TRANSITIONS
from storage import request_links
from storage.composition import now
from storage.queries import requests
from storage.queries.pages import PageRequest
from storage.queries.run_page import run_page
from storage.queries.visibility import HISTORY

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PAGE = 20


@router.get("/", dependencies=permits("self:read"), response_class=HTMLResponse)
async def home(
    request: Request, caller: Caller, pool: PoolDep, after: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """The caller's own requests, newest first; none for who may not read any."""
    if not reach_of(caller, *HISTORY):
        return page(request, "home.html", requests=[], total=0, more=False, older=None, first=True, waiting=None)
    found = await requests.requests(pool, caller, PageRequest(size=_PAGE, token=after), requester_id=caller.id)
    return page(
        request, "home.html", requests=json.loads(found.items), total=found.total, more=found.more,
        older=found.next_token, first=after is None, waiting=await _waiting(pool, caller),
    )  # fmt: skip


async def _waiting(pool: AsyncConnectionPool, caller: Principal) -> list[dict[str, Any]] | None:
    """What somebody has to decide, for those who decide."""
    if not decide(caller, "dashboard:use").allowed:
        return None
    found = await requests.requests(pool, caller, PageRequest(size=_PAGE), status="awaiting_approval")
    return [
        item
        for item in json.loads(found.items)
        if item["flowRunId"] and TRANSITIONS[item["transition"]].needs_approval  # others wait for a time
    ]


@router.get("/runs/{request_id}", dependencies=permits("model:read", "provenance:read"), response_class=HTMLResponse)
async def run(request_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep) -> Response:
    """The story of one request: what is asked, what the gates say, from what evidence, and what came of it.

    With a signature, the address is a link that somebody was sent: one that was tampered with, or is too old, leads
    nowhere, so that nobody takes a forged address for ours.
    """
    if not {"signature", "expires"}.isdisjoint(request.query_params):
        try:
            request_links.verify(request.url.path, request.url.query, key=platform.link_key, at=now())
        except request_links.LinkExpired:
            return problem(request, 410, "This link has expired. Ask for a new one, or find the request in your list.")
        except request_links.LinkRefused:
            return problem(request, 400, "This link was not made by this platform, or was changed on its way.")
    found = await run_page(pool, caller, request_id)
    review = await review_of(platform, pool, found.request)
    return page(request, "run.html", story=story_of(found, review))
