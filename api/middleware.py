"""What happens around every request: identity of the call, limits, headers that browsers need."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import psycopg
import psycopg_pool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected
from storage.composition import new_id
from storage.queries.people import give_back_call

log = logging.getLogger("gatehouse.api")

JSON_LIMIT = 1024 * 1024  # bytes; uploads are streams with a limit of their own
_CORRELATION = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_HEADERS = (  # as they are sent; a response that names one itself keeps its own value
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class CallContext:
    """Gives the call its ids and clock, and refuses bodies beyond `state.body_limit` while they arrive.

    Bodies are read into memory, whatever type they say they have; a handler that streams lifts the limit first.
    """

    def __init__(self, app: ASGIApp, https: bool = False) -> None:
        """`https`: people reach this API encrypted, and their browsers are told to insist on it."""
        self._app = app
        self._headers = (*_HEADERS, _HSTS) if https else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-correlation-id", b"").decode("latin-1")
        request_id = new_id()
        scope.setdefault("state", {}).update(
            request_id=request_id,
            correlation_id=given if _CORRELATION.fullmatch(given) else request_id,
            started=time.perf_counter(),
            principal=None,
            body_limit=JSON_LIMIT,
        )

        answering = False

        async def send_with_headers(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                failed = message["status"] >= 500
                given = message.get("headers", ())
                named = {name for name, _ in given}
                ours = [header for header in self._headers if header[0] not in named]
                if (left := _calls_remaining(scope)) is not None:
                    if failed:  # before it is answered: whoever tries again at once finds what they were told
                        left += await _give_back(scope)
                    ours.append((b"x-calls-remaining", str(left).encode()))
                message["headers"] = [*given, (b"x-request-id", request_id.encode()), *ours]
            await send(message)

        try:
            await self._app(scope, _limited(receive, scope["state"]), send_with_headers)
        except Exception as error:  # the framework would answer outside of this, without our headers and uncounted
            if answering:
                raise
            await unexpected(Request(scope), error)(scope, receive, send_with_headers)


def _calls_remaining(scope: Scope) -> int | None:
    """How many calls the caller's token is still good for; None when they are not counted."""
    principal = scope["state"].get("principal")
    return max(0, principal.calls_remaining) if principal and principal.calls_remaining is not None else None


async def _give_back(scope: Scope) -> int:
    """A call that failed on our side is not counted. How many were given back: one, unless the database failed."""
    try:
        await give_back_call(scope["app"].state.pool, scope["state"]["principal"].token_id)
    except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
        log.warning("a call could not be given back: %s", type(error).__name__)
        return 0
    return 1


class BodyTooLarge(HTTPException):
    """Raised inside the reading of a body. An HTTPException, since the framework makes any other one a 400."""

    def __init__(self) -> None:
        super().__init__(413)


def _limited(receive: Receive, state: Mapping[str, Any]) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if state["body_limit"] is not None and seen > state["body_limit"]:
            raise BodyTooLarge
        return message

    return limited
