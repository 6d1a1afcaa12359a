"""Where a caller's token stands: one of three headers.

`Authorization: Bearer` (RFC 6750), `X-Authorization` (package registry) and `X-API-Key` (group-aware API) mean the same
tokens. Two different ones in one call are refused rather than ranked.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from governance.errors import AuthenticationFailed

IN_HEADERS = ("login", "api_key")

# For the description of the interface. Any one of them is enough.
SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token from `POST /api/v1/auth/login`."},
    "xAuthorization": {"type": "apiKey", "in": "header", "name": "X-Authorization"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def token_of(request: Request) -> tuple[str, tuple[str, ...]]:
    """(token, kinds of token that may stand there). Raises AuthenticationFailed."""
    found = {token for name in ("authorization", "x-authorization", "x-api-key") if (token := _given(request, name))}
    if len(found) > 1:
        raise AuthenticationFailed("Two different credentials were sent; send one.")
    if not found:
        raise AuthenticationFailed("Send `Authorization: Bearer <token>`.")
    return found.pop(), IN_HEADERS


def _given(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    if value is None:
        return None
    scheme, _, rest = value.strip().partition(" ")
    if rest:
        return rest.strip() if scheme.lower() == "bearer" else "-"  # another scheme is no token of ours
    return None if name == "authorization" else scheme or "-"
