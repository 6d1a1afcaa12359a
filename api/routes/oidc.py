"""Sign-in by OpenID Connect: in a browser, for the command line, and for a service's access token."""

import re
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from api import sessions, sign_in_state
from api.deps import PlatformDep, PoolDep
from api.envelope import success
from api.external_sign_in import principal_of_jwt, signed_in
from api.schemas.base import Success, answers, refusals
from api.schemas.oidc import IdTokenExchange, OidcConfigurationRead
from api.schemas.people import TokenRead
from api.signing_in import issue, token_read
from governance.access.principal import Principal
from governance.errors import AuthenticationFailed, InvalidInput
from governance.operations.tokens import Wanted
from storage.composition import Platform, now
from storage.queries import people

router = APIRouter(prefix="/api/v1/auth/oidc", tags=["Sign-in"])

_ERROR = re.compile(r"[a-z_]{1,40}")
_MOVED: dict[int | str, dict[str, Any]] = {302: {"description": "To `Location`."}}


def _redirect_uri(platform: Platform) -> str:
    """From the settings, never from what the caller says our name is."""
    return f"{platform.settings.api_url.rstrip('/')}{router.prefix}/callback"


@router.get(
    "/configuration",
    responses={
        200: {"model": Success[OidcConfigurationRead], "description": "Success"},
        **refusals(404, 503),
    },
)
async def oidc_configuration(request: Request, platform: PlatformDep) -> Response:
    """What a client needs to know for a sign-in at the identity provider."""
    provider, settings = platform.oidc, platform.settings
    provider.require()
    return success(
        request,
        orjson.dumps(
            {
                "issuer": settings.oidc_issuer,
                "clientId": settings.oidc_client_id,
                "deviceClientId": provider.device_client_id,
                "scopes": settings.oidc_scopes.split(),
            }
        ),
    )


@router.get(
    "/login",
    status_code=302,
    response_class=RedirectResponse,
    responses={**_MOVED, **refusals(400, 401, 404, 503)},
)
async def oidc_login(
    platform: PlatformDep,
    next_path: Annotated[str | None, Query(alias="next", description="A path of this server to go to then.")] = None,
) -> Response:
    """Send the browser to the identity provider: authorization code with PKCE S256, state and nonce."""
    provider = platform.oidc
    provider.require()
    begun = sign_in_state.SignInState.begin(platform.token_key, sign_in_state.local_path(next_path))
    response = RedirectResponse(
        await provider.authorization_address(
            redirect_uri=_redirect_uri(platform), state=begun.state, nonce=begun.nonce, verifier=begun.verifier
        ),
        status_code=302,
    )
    begun.keep(response)
    return response


@router.get(
    "/callback",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: {"description": "To `Location`, signed in."}, **refusals(400, 401, 404, 503)},
)
async def oidc_callback(
    request: Request,
    platform: PlatformDep,
    pool: PoolDep,
    state: Annotated[str | None, Query(description="As it was sent to the provider.")] = None,
    code: Annotated[str | None, Query(max_length=4096, description="The provider's authorization code.")] = None,
    iss: Annotated[str | None, Query(description="Who answers (RFC 9207).")] = None,
    error: Annotated[str | None, Query(description="Why the provider refused (RFC 6749, 4.1.2.1).")] = None,
) -> Response:
    """The browser comes back from the identity provider: check who answers, redeem the code, begin a session."""
    provider = platform.oidc
    provider.require()
    if len(request.query_params.multi_items()) != len(request.query_params):
        raise InvalidInput("A parameter stands there twice.")
    begun = sign_in_state.ended(platform.token_key, request.cookies.get(sign_in_state.COOKIE), state)
    metadata = await provider.metadata()
    if iss != metadata.issuer and (iss is not None or metadata.names_itself):
        raise InvalidInput("Another identity provider answered than the one that was asked.", details={"field": "iss"})
    if error is not None:
        said = error if _ERROR.fullmatch(error) else "unknown"
        raise AuthenticationFailed("The identity provider refused this sign-in.", details={"error": said})
    if not code:
        raise InvalidInput("The identity provider's answer has no code.", details={"field": "code"})
    identity = await provider.redeem(
        code, redirect_uri=_redirect_uri(platform), verifier=begun.verifier, nonce=begun.nonce, at=now()
    )
    user = await signed_in(platform, identity, request.state.correlation_id)
    person = await people.principal_of_user(pool, user.id)
    if person is None:
        raise AuthenticationFailed("This account is not active.")
    response = await run_in_threadpool(sessions.begin, request, platform, person, begun.next_path)
    sign_in_state.forget(response)
    return response


@router.post("/exchange", responses=answers(TokenRead, 400, 404))
async def oidc_exchange(
    request: Request, platform: PlatformDep, pool: PoolDep, body: IdTokenExchange | None = None
) -> Response:
    """A Gatehouse token for the provider's: an access token as `Authorization: Bearer`, or an id token of the device
    flow, at most ten minutes old, in the body. One of the two.
    """
    platform.oidc.require()
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    has_bearer = scheme.lower() == "bearer" and bool(bearer.strip())
    if has_bearer == (body is not None):
        raise InvalidInput("Send either an access token as `Authorization: Bearer`, or an id token in the body.")
    if body is not None:
        identity = await platform.oidc.judge_id_token(body.id_token, at=now())
        user = await signed_in(platform, identity, request.state.correlation_id)
        person = await people.principal_of_user(pool, user.id)
    else:
        person = await principal_of_jwt(platform, pool, bearer.strip())
    if person is None:
        raise AuthenticationFailed("This account is not active.")
    issued = await run_in_threadpool(_issue, platform, person, request.state.correlation_id)
    return success(request, orjson.dumps(issued))


def _issue(platform: Platform, person: Principal, correlation: str) -> dict[str, object]:
    settings = platform.settings
    wanted = Wanted("oidc", timedelta(hours=settings.oidc_token_hours), calls=settings.token_calls or None)
    return token_read(*issue(platform, person, person.id, wanted, correlation))
