"""Sessions of browsers: a token like any other, in a cookie that scripts and other sites cannot use.

`Secure` and `__Host-` make browsers refuse the cookie over plain HTTP, loopback apart: reach Gatehouse by https or on
http://127.0.0.1 and http://localhost. `SameSite=Lax` keeps it out of other sites' forms; what changes anything is
also checked for where it came from (`check_same_origin`).
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from api.signing_in import issue
from governance.errors import Forbidden
from governance.people import User
from storage.composition import Platform

SESSION_COOKIE = "__Host-gatehouse-session"
SESSION_LIFE = timedelta(hours=12)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def begin(request: Request, platform: Platform, user: User, redirect_to: str) -> Response:
    """A redirect that signs this browser in. Blocking: it writes the token. `redirect_to` has to be local."""
    issued = issue(platform, user, "browser", SESSION_LIFE, request.state.correlation_id)
    answer = RedirectResponse(redirect_to, 303)
    set_cookie(answer, SESSION_COOKIE, issued["token"], int(SESSION_LIFE.total_seconds()))
    return answer


def end(answer: Response) -> None:
    """Have the browser forget its session; revoking the token is the caller's."""
    set_cookie(answer, SESSION_COOKIE, "", 0)


def set_cookie(answer: Response, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def session_token(request: Request) -> str | None:
    """Of the cookie; None without one, and where the call says by itself who it is."""
    if "authorization" in request.headers:
        return None
    return request.cookies.get(SESSION_COOKIE) or None


def check_same_origin(request: Request) -> None:
    """Raises Forbidden for a change that another site may have caused.

    Browsers say where a call comes from: `Sec-Fetch-Site`, or in older ones `Origin`. A call with neither is refused.
    Source: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = site == "same-origin" if site is not None else _is_ours(request, origin or "")
    if not ours:
        raise Forbidden("A browser's session changes things only from pages of Gatehouse itself.")


def _is_ours(request: Request, origin: str) -> bool:
    platform: Platform = request.app.state.platform
    public = urlsplit(platform.settings.api_url)
    named = (request.url.scheme, request.headers.get("host", ""))
    try:
        asked = urlsplit(origin)
    except ValueError:
        return False
    return bool(asked.netloc) and (asked.scheme, asked.netloc) in ((public.scheme, public.netloc), named)
