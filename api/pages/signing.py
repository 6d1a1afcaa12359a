"""Signing in and out with a browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import sessions
from api.deps import Caller, CallOf, PlatformDep, permits
from api.pages.forms import (
    FORM_COOKIE,
    check_form_token,
    fields,
    form_secret,
    form_token,
    local_path,
    new_form_secret,
)
from api.pages.page_route import PageRoute
from api.pages.rendering import page
from api.signing_in import sign_in
from governance.errors import AuthenticationFailed, InvalidInput, SignInBusy, TooManyAttempts
from governance.operations import tokens
from storage.composition import Platform

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_FORM_SECONDS = 24 * 3600
_LONGEST_NAME, _LONGEST_PASSWORD = 128, 1024  # as `Login` has them
OIDC_START = "/api/v1/auth/oidc/login"


@router.get("/sign-in", response_class=HTMLResponse)
async def sign_in_page(
    request: Request, platform: PlatformDep, wanted: Annotated[str, Query(alias="next", max_length=8000)] = "/"
) -> Response:
    """The form, for people who are not signed in or want to be somebody else."""
    return _form(request, platform, local_path(wanted))


@router.post("/sign-in", response_class=HTMLResponse)
async def sign_in_form(request: Request, platform: PlatformDep) -> Response:
    """A session for the right name and password. Every other combination is told alike."""
    given = await fields(request)
    check_form_token(request, form_secret(request), given.get("token", ""))
    onwards, name, password = local_path(given.get("next", "/")), given.get("name", ""), given.get("password", "")
    if len(name) > _LONGEST_NAME or len(password) > _LONGEST_PASSWORD:
        raise InvalidInput("Name or password is too long.")
    try:
        person = await sign_in(request, name, password)
    except AuthenticationFailed as refusal:
        return _form(request, platform, onwards, name, refusal.message, 401)
    except (TooManyAttempts, SignInBusy) as refusal:
        wait = refusal.details["retryAfter"]
        message = f"{refusal.message} Try again in {_duration(wait)}."
        status = 429 if isinstance(refusal, TooManyAttempts) else 503
        return _form(request, platform, onwards, name, message, status, {"Retry-After": str(wait)})
    return await run_in_threadpool(sessions.begin, request, platform, person, onwards)


@router.post("/sign-out", dependencies=permits("self:manage"), response_class=HTMLResponse)
async def sign_out(request: Request, caller: Caller, call: CallOf, platform: PlatformDep) -> Response:
    """End this session everywhere: its token is revoked, not only forgotten."""
    token = sessions.session_token(request)
    check_form_token(request, token, (await fields(request)).get("token", ""))
    if caller.token_id is not None:
        await run_in_threadpool(tokens.revoke_token, platform.new_unit(), call(), caller.token_id)
    answer = RedirectResponse("/sign-in", 303)
    sessions.end(answer)
    return answer


def _form(
    request: Request,
    platform: Platform,
    onwards: str,
    name: str = "",
    message: str | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    secret = form_secret(request) or new_form_secret()
    answer = page(
        request,
        "sign_in.html",
        status=status,
        headers=headers,
        form_token=form_token(request, secret),
        onwards=onwards,
        name=name,
        message=message,
        organisation=OIDC_START if platform.settings.oidc_issuer else None,
    )
    sessions.set_cookie(answer, FORM_COOKIE, secret, _FORM_SECONDS)
    return answer


def _duration(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{(seconds + 59) // 60} minutes"
