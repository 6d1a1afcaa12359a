"""What handlers are given: the platform, the caller, the call. Whoever is not known gets nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from psycopg_pool import AsyncConnectionPool

from api.credentials import GROUP_CONTEXT, WORKSPACE, token_of
from api.external_sign_in import principal_of_jwt
from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.errors import (
    AuthenticationFailed,
    CallsExhausted,
    Forbidden,
    HistoryForbidden,
    InvalidInput,
    NotFound,
)
from governance.models import is_id
from governance.operations.calls import Call, IdempotencyKey
from storage.composition import Platform, new_id, now
from storage.credentials import token_mac
from storage.queries.pages import PageRequest


# All dependencies are coroutines: FastAPI would run plain functions in a thread, at ten times their own cost.
async def platform_of(request: Request) -> Platform:
    found: Platform = request.app.state.platform
    return found


async def pool_of(request: Request) -> AsyncConnectionPool:
    found: AsyncConnectionPool = request.app.state.pool
    return found


PlatformDep = Annotated[Platform, Depends(platform_of)]
PoolDep = Annotated[AsyncConnectionPool, Depends(pool_of)]


async def current_principal(request: Request) -> Principal:
    """The caller. Every route has this dependency or stands in the list of public ones; a test insists."""
    state = request.app.state  # not as dependencies of their own, which cost more than the lookup of the token
    token, kinds = token_of(request)
    found: Principal | None
    if token.count(".") == 2 and state.platform.settings.oidc_issuer:  # a JWT; our own tokens have no dots
        found = await principal_of_jwt(state.platform, state.pool, token)
    else:
        found = await state.callers.find(state.pool, token_mac(token, state.platform.token_key), kinds)
    if found is None:
        raise AuthenticationFailed("This token is unknown, expired or revoked.")
    state.principal_limit.count(found.id)
    request.state.principal = found
    if found.calls_remaining == -1:
        raise CallsExhausted(
            "The calls that this token is good for are used up; sign in again.", details={"callsRemaining": 0}
        )
    group, workspace = request.headers.get(GROUP_CONTEXT), request.headers.get(WORKSPACE)
    if group is not None or workspace is not None:
        found = found.narrowed_to(group=group, workspace=workspace)
        request.state.principal = found
    return found


Caller = Annotated[Principal, Depends(current_principal)]


class Permits:
    """Lets those through who have one of the permissions somewhere; about one asset the operation decides.

    Every route that is not public declares one; a test insists.
    """

    def __init__(self, *permissions: str, refusal: type[Forbidden] = Forbidden) -> None:
        self.permissions = permissions
        self._refusal = refusal

    async def __call__(self, caller: Caller) -> None:
        decisions = [decide(caller, permission) for permission in self.permissions]
        if not any(decision.allowed for decision in decisions):
            raise self._refusal(
                f"This is not allowed for {caller.name}: {decisions[0].reason}",
                details={"permission": " or ".join(self.permissions), "policies": list(decisions[0].policies)},
            )


def permits(*permissions: str) -> list[Any]:
    """For `dependencies=` of a route: what calling it takes."""
    return [Depends(Permits(*permissions))]


def permits_history(*permissions: str) -> list[Any]:
    """As `permits`, for what tells the past: the refusal is PROV_005 of the catalog."""
    return [Depends(Permits(*permissions, refusal=HistoryForbidden))]


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
