"""The one shape of every answer under /api/v1 (success, data, pagination, links, metadata; or an error)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request, Response

from api.clock import utc_now_text
from governance.access.decisions import permissions_of
from storage.queries.pages import Page

JSON = "application/json"


def _metadata(request: Request) -> bytes:
    state = request.state
    principal = getattr(state, "principal", None)
    return orjson.dumps(
        {
            "requestId": state.request_id,
            "correlationId": state.correlation_id,
            "timestamp": utc_now_text(),
            "latency": round((time.perf_counter() - state.started) * 1000, 3),  # milliseconds
            "userGroups": list(principal.groups) if principal else [],
            "effectivePermissions": permissions_of(principal) if principal else [],
            "dataAccessLevel": principal.level.word if principal else None,
            "cached": False,
        }
    )


def success(
    request: Request,
    data: str | bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    pagination: bytes = b"null",
) -> Response:
    """`data` is JSON already; PostgreSQL built it."""
    raw = data.encode() if isinstance(data, str) else data
    body = b"".join(
        (
            b'{"success":true,"data":',
            raw,
            b',"pagination":',
            pagination,
            b',"links":',
            orjson.dumps({"self": request.scope["path"], **(links or {})}),
            b',"metadata":',
            _metadata(request),
            b"}",
        )
    )
    return Response(body, status, headers=dict(headers or {}), media_type=JSON)


def listed(request: Request, page: Page) -> Response:
    """A page of a list, with the link to the next one."""
    size, number = page.request.size, page.request.page
    pagination = {
        "page": number if page.request.token is None else None,
        "pageSize": size,
        "limit": size,
        "totalPages": ceil(page.total / size),
        "totalCount": page.total,
        "total": page.total,
        "totalIsLowerBound": page.more,
        "hasNext": page.has_next,
        "hasPrevious": page.request.token is not None or number > 1,
        "nextToken": page.next_token,
    }
    links = {}
    if page.next_token:
        query = [(k, v) for k, v in request.query_params.multi_items() if k not in ("nextToken", "page")]
        links["next"] = f"{request.scope['path']}?{urlencode([*query, ('nextToken', page.next_token)])}"
    return success(request, page.items, links=links, pagination=orjson.dumps(pagination))


def failure(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    retryable: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    state = request.scope.get("state", {})
    body = {
        "success": False,
        "data": None,
        "error": {
            "code": code,
            "message": message,
            "details": dict(details or {}),
            "retryable": retryable,
            "traceId": state.get("request_id"),
            "context": {"method": request.method, "path": request.scope["path"]},
            "documentation": f"/docs#errors-{code}",
        },
    }
    try:
        content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS, default=str)
    except orjson.JSONEncodeError:  # the caller's words are no Unicode, and we repeat them
        content = json.dumps(body, default=str).encode()
    return Response(content, status, headers=dict(headers or {}), media_type=JSON)
