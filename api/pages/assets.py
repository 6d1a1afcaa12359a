"""The stylesheet and the script of the pages, from this machine and by name only."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.pages.page_route import PageRoute
from governance.errors import NotFound

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_TYPES = {"pages.css": "text/css", "refresh.js": "text/javascript", "icon.svg": "image/svg+xml"}
_CONTENT = {name: (files("api.pages") / "static" / name).read_bytes() for name in _TYPES}


@router.get("/static/{name}", response_class=Response)
async def asset(name: str, request: Request) -> Response:
    """One of a few files."""
    if name not in _CONTENT:
        raise NotFound("file", name[:200])
    return Response(_CONTENT[name], media_type=_TYPES[name], headers={"Cache-Control": "public, max-age=300"})
