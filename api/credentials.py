"""Where a caller's token stands: one of three headers, or the cookie of a browser's session.

`Authorization: Bearer` (RFC 6750), `X-Authorization` (package registry) and `X-API-Key` (group-aware API) mean the same
tokens. Two different ones in one call are refused rather than ranked. A session counts in its cookie only, and its
calls change things only from our own pages.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from api.sessions import SESSION_COOKIE, check_same_origin, session_token
from governance.errors import AuthenticationFailed

IN_HEADERS, IN_COOKIE = ("login", "api_key"), ("session",)

GROUP_CONTEXT, WORKSPACE = "X-Group-Context", "X-Workspace-Id"

# What every call that takes a token may say besides. Read by hand, since the framework takes longer for two headers
# than the database for the caller.
NARROWING: tuple[dict[str, Any], ...] = (
    {
        "name": GROUP_CONTEXT,
        "in": "header",
        "required": False,
        "description": "Act for this one of your groups only.",
        "schema": {"type": "string"},
    },
    {
        "name": WORKSPACE,
        "in": "header",
        "required": False,
        "description": "See what belongs to your workspace only.",
        "schema": {"type": "string"},
    },
)

# For the description of the interface. Any one of them is enough.
SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token from `POST /api/v1/auth/login`."},
    "xAuthorization": {"type": "apiKey", "in": "header", "name": "X-Authorization"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
}


def token_of(request: Request) -> tuple[str, tuple[str, ...]]:
    """(token, kinds of token that may stand there). Raises AuthenticationFailed, Forbidden."""
    found = {token for name in ("authorization", "x-authorization", "x-api-key") if (token := _given(request, name))}
    if len(found) > 1:
        raise AuthenticationFailed("Two different credentials were sent; send one.")
    if found:
        return found.pop(), IN_HEADERS
    session = session_token(request)
    if session is None:
        raise AuthenticationFailed("Send `Authorization: Bearer <token>`.")
    check_same_origin(request)
    return session, IN_COOKIE


def _given(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    if value is None:
        return None
    scheme, _, rest = value.strip().partition(" ")
    if rest:
        return rest.strip() if scheme.lower() == "bearer" else "-"  # another scheme is no token of ours
    # A header that names nobody is no reason to look for a cookie: whoever sends one means it.
    return "-" if name == "authorization" else scheme or "-"
