"""Tokens: get one, list one's own, revoke one."""

from datetime import timedelta

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import Login, TokenRead, TokenSummary, UserRead
from api.signing_in import issue, sign_in
from governance.operations import people
from storage.queries import people as views

router = APIRouter(prefix="/api/v1/auth", tags=["Sign-in"])


@router.post("/login", responses=answers(TokenRead, 400))
async def login(body: Login, request: Request, platform: PlatformDep) -> Response:
    """A bearer token for a name and a password. Wrong name and wrong password are told and timed alike.

    429 TOO_MANY_ATTEMPTS after ten failures within five minutes, for the account and for the address.
    """
    user = await sign_in(request, body.username, body.password)
    issued = await run_in_threadpool(
        issue, platform, user, body.label, timedelta(days=platform.settings.token_days), request.state.correlation_id
    )
    return success(request, orjson.dumps(issued))


@router.get("/me", responses=answers(UserRead))
async def who_am_i(request: Request, caller: Caller, pool: PoolDep) -> Response:
    """The caller."""
    return success(request, await views.user(pool, caller.id))


@router.get("/tokens", responses=answers(list[TokenSummary], 400))
async def list_tokens(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """One's own tokens, without their secrets."""
    return listed(request, await views.tokens(pool, page, caller.id))


@router.delete("/tokens/{token_id}", responses=answers(None, 404))
async def revoke_token(token_id: str, request: Request, call: CallOf, platform: PlatformDep) -> Response:
    """Revoke one of one's own tokens, at once."""
    await run_in_threadpool(people.revoke_token, platform.new_unit(), call(), identifier("token", token_id))
    return success(request, b"null")
