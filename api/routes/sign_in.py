"""Signing in, and one's own tokens."""

from datetime import timedelta

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import Login, TokenCreate, TokenRead, TokenSummary, UserRead
from api.signing_in import issue, login_token, sign_in, token_read
from governance.operations import tokens
from storage.queries import people as views

router = APIRouter(prefix="/api/v1/auth", tags=["Sign-in"])


@router.post("/login", responses=answers(TokenRead, 400))
async def login(body: Login, request: Request, platform: PlatformDep) -> Response:
    """A bearer token for a name and a password. Wrong name and wrong password are told and timed alike.

    429 TOO_MANY_ATTEMPTS after ten failures within five minutes, for the account and for the address.
    """
    person = await sign_in(request, body.username, body.password)
    issued = await run_in_threadpool(login_token, platform, person, body.label, request.state.correlation_id)
    return success(request, orjson.dumps(token_read(*issued)))


@router.get("/me", dependencies=permits("self:read"), responses=answers(UserRead))
async def who_am_i(request: Request, caller: Caller, pool: PoolDep) -> Response:
    """The caller."""
    return success(request, await views.user(pool, caller.id))


@router.get("/tokens", dependencies=permits("self:read"), responses=answers(list[TokenSummary], 400))
async def list_tokens(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """One's own tokens and those of one's service accounts, without their secrets."""
    return listed(request, await views.tokens(pool, page, caller.id))


@router.post(
    "/tokens",
    dependencies=permits("self:manage"),
    status_code=201,
    responses=answers(TokenRead, 400, 403, 404, status=201),
)
async def create_token(body: TokenCreate, request: Request, caller: Caller, platform: PlatformDep) -> Response:
    """An API key for oneself or for a service account of one's own, narrower than its user where `scopes` says so.

    It is shown once. A repeated call makes another one.
    """
    settings = platform.settings
    wanted = tokens.Wanted(
        label=body.label,
        life=timedelta(days=body.expires_in_days or settings.token_days),
        kind=tokens.API_KEY,
        scopes=body.scopes,
        calls=body.calls or settings.token_calls or None,
    )
    holder = identifier("service account", body.user_id) if body.user_id is not None else caller.id
    token, made = await run_in_threadpool(issue, platform, caller, holder, wanted, request.state.correlation_id)
    return success(request, orjson.dumps(token_read(token, made)), status=201)


@router.delete("/tokens/{token_id}", dependencies=permits("self:manage"), responses=answers(None, 404))
async def revoke_token(token_id: str, request: Request, call: CallOf, platform: PlatformDep) -> Response:
    """Revoke a token of one's own, of a service account of one's own, or as an administrator anybody's: at once."""
    await run_in_threadpool(tokens.revoke_token, platform.new_unit(), call(), identifier("token", token_id))
    return success(request, b"null")
