"""Tokens: get one, list one's own, revoke one."""

from datetime import timedelta

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import Login, TokenRead, TokenSummary, UserRead
from api.token_issuing import issue
from governance.errors import AuthenticationFailed
from governance.operations import people
from storage.composition import Platform
from storage.credentials import password_matches
from storage.queries import people as views

router = APIRouter(prefix="/api/v1/auth", tags=["Sign-in"])


@router.post("/login", responses=answers(TokenRead, 400))
async def login(body: Login, request: Request, platform: PlatformDep) -> Response:
    """A bearer token for a name and a password. Wrong name and wrong password are told and timed alike."""
    issued = await run_in_threadpool(_login, platform, body, request.state.correlation_id)
    return success(request, orjson.dumps(issued))


def _login(platform: Platform, body: Login, correlation: str) -> dict[str, str]:
    with platform.new_unit() as uow:
        user = uow.people.named(body.username) if "\x00" not in body.username else None
    if not password_matches(body.password, user.password_hash if user else None) or user is None or not user.active:
        raise AuthenticationFailed("Name or password is wrong.")
    life = timedelta(days=platform.settings.token_days)
    return issue(platform, user, label=body.label, life=life, correlation=correlation)


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
