"""What handlers are given: the platform, the caller, the call. Whoever is not known gets nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg_pool import AsyncConnectionPool

from api.sessions import check_same_origin, session_token
from governance.errors import AuthenticationFailed, InvalidInput, NotFound
from governance.operations.calls import Call, IdempotencyKey
from governance.people import Principal
from storage.composition import Platform, new_id, now
from storage.credentials import token_mac
from storage.queries import people
from storage.queries.pages import PageRequest
from storage.queries.registry import is_id

_bearer = HTTPBearer(auto_error=False, description="A token from `POST /api/v1/auth/login`.")


# All dependencies are coroutines: FastAPI would run plain functions in a thread, at ten times their own cost.
async def platform_of(request: Request) -> Platform:
    found: Platform = request.app.state.platform
    return found


async def pool_of(request: Request) -> AsyncConnectionPool:
    found: AsyncConnectionPool = request.app.state.pool
    return found


PlatformDep = Annotated[Platform, Depends(platform_of)]
PoolDep = Annotated[AsyncConnectionPool, Depends(pool_of)]


async def current_principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """The caller. Every route has this dependency or stands in the list of public ones; a test insists."""
    if credentials is not None:
        token = credentials.credentials
    elif cookie := session_token(request):
        check_same_origin(request)
        token = cookie
    else:
        raise AuthenticationFailed("Send `Authorization: Bearer <token>`.")
    state = request.app.state  # not as dependencies of their own, which cost more than the lookup of the token
    found = await people.principal(state.pool, token_mac(token, state.platform.token_key))
    if found is None:
        raise AuthenticationFailed("This token is unknown, expired or revoked.")
    state.principal_limit.count(found.id)
    request.state.principal = found
    return found


Caller = Annotated[Principal, Depends(current_principal)]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Repeating a call under the same key answers with what the first one made; "
        "another request under the key is refused with 422.",
    ),
]


async def call_context(request: Request, principal: Caller, key: IdempotencyHeader = None) -> Callable[..., Call]:
    """A maker of the call for an operation; `asked` is what the idempotency key stands for."""

    def make(*asked: Any) -> Call:
        idempotency = None
        if key is not None:
            idempotency = IdempotencyKey.of(key, request.method, request.url.path, *asked)
        return Call(principal, now(), new_id, request.state.correlation_id, idempotency)

    return make


CallOf = Annotated[Callable[..., Call], Depends(call_context)]


async def page_request(
    page_size: Annotated[int, Query(alias="pageSize", description="Items of one page, at most 200.")] = 50,
    limit: Annotated[int | None, Query(description="Another name for pageSize.")] = None,
    next_token: Annotated[str | None, Query(alias="nextToken", description="Continue after a page.")] = None,
    page: Annotated[int, Query(description="Number of a page, for the first 10,000 items.")] = 1,
) -> PageRequest:
    return PageRequest(size=limit if limit is not None else page_size, token=next_token, page=page)


PageDep = Annotated[PageRequest, Depends(page_request)]


def identifier(kind: str, value: str) -> str:
    """The id, if it can be one. Raises NotFound: what is not an id names nothing."""
    if not is_id(value):
        raise NotFound(kind, value[:200])
    return value.lower()


def expected_revision(if_match: str | None) -> int:
    """The revision in an `If-Match` header such as `"7"`. Raises InvalidInput."""
    text = (if_match or "").strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput('If-Match holds the ETag of the version, e.g. "7".', details={"field": "If-Match"})
    return int(text)
