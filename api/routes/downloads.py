"""Bytes of the local store, for whoever holds a signed address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api.deps import PlatformDep
from api.envelope import failure
from api.schemas.base import refusals
from governance.artifact_store import RangeNotSatisfiable, checked_digest
from governance.errors import Forbidden, NotFound
from storage.artifacts.download_names import content_disposition
from storage.artifacts.signed_urls import UrlRefused, verify
from storage.composition import now

router = APIRouter(prefix="/api/v1/content", tags=["Artifacts"])

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


_BYTES = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/{sha256}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The content.", **_BYTES},
        206: {"description": "A range of it.", **_BYTES},
        **refusals(403, 404, 416, 503),
    },
)
@router.head("/{sha256}", include_in_schema=False)
async def content(sha256: str, request: Request, platform: PlatformDep) -> Response:
    """The content behind a signed address. Single byte ranges are answered with 206 (RFC 9110, 14)."""
    if platform.settings.artifact_store != "local":
        raise NotFound("content", sha256[:64])
    try:
        claims = verify("GET", request.url.path, request.url.query, key=platform.download_key, at=now())
    except UrlRefused as error:
        raise Forbidden(f"{str(error).capitalize()}; ask for a new one.") from error
    store, digest = platform.store, checked_digest(sha256)
    size, tag = await run_in_threadpool(store.size, digest), f'"{digest}"'
    try:
        first, last, partial = _wanted(_range_header(request, tag), size)
    except RangeNotSatisfiable as error:
        at = {"Content-Range": f"bytes */{size}"}
        return failure(request, 416, "RANGE_NOT_SATISFIABLE", str(error), headers=at)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(last - first + 1),
        "Content-Disposition": content_disposition(claims.filename),
        "ETag": tag,
        "Cache-Control": "private, max-age=0",
    }
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 206 if partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=claims.media_type)
    chunks: Iterator[bytes] = await run_in_threadpool(store.read, digest, start=first, end=last)
    return StreamingResponse(chunks, status, headers=headers, media_type=claims.media_type)


def _range_header(request: Request, tag: str) -> str | None:
    """Ranges are for GET, and where `If-Range` is sent, for who has this very content (RFC 9110, 14.2 and 13.1.5)."""
    applies = request.method == "GET" and request.headers.get("if-range", tag).strip() == tag
    return request.headers.get("range") if applies else None


def _wanted(header: str | None, size: int) -> tuple[int, int, bool]:
    """(first byte, last byte, whether it is a part). Several ranges and other units give the whole."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return 0, size - 1, False
    start, end = match.groups()
    if start == "":
        wanted = int(end)
        if wanted == 0:
            raise RangeNotSatisfiable("a range of no bytes")
        return max(0, size - wanted), size - 1, True
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    if first >= size or last < first:
        raise RangeNotSatisfiable(f"byte {first} of {size}")
    return first, last, True
