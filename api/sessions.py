"""Browser sessions: a token in a cookie that scripts cannot read."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from api.token_issuing import issue
from governance.people import User
from storage.composition import Platform

COOKIE = "__Host-gatehouse-session"


async def begin(request: Request, platform: Platform, user: User, *, next_path: str = "/") -> Response:
    """Begin a session and send the browser on to `next_path`, a path of this server."""
    life = timedelta(hours=platform.settings.oidc_token_hours)
    issued = await run_in_threadpool(
        issue, platform, user, label="browser", life=life, correlation=request.state.correlation_id
    )
    response = RedirectResponse(next_path, status_code=302)
    response.set_cookie(
        COOKIE,
        issued["token"],
        max_age=int(life.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response
