"""From what an identity provider vouches for to a user of ours."""

from __future__ import annotations

from fastapi.concurrency import run_in_threadpool
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import Duplicate
from governance.external_identity import ExternalIdentity
from governance.operations.external_identities import sign_in_external
from governance.people import User
from storage.composition import Platform, now
from storage.queries import people


async def principal_of_jwt(platform: Platform, pool: AsyncConnectionPool, jwt_text: str) -> Principal | None:
    """The caller with a provider's access token (a JWT, RFC 9068); None when the user is not active any more.

    Signature and claims are checked and the user's access is read with every call; what the provider says of groups
    is taken over at most half a second ago. Raises AuthenticationFailed, NotConfigured, DependencyUnavailable.
    """
    provider = platform.oidc
    provider.require()
    identity = await provider.judge_access_token(jwt_text, at=now())
    if (user := provider.recent.get(identity)) is None:
        since = provider.recent.now()
        user = await signed_in(platform, identity)
        provider.recent.put(identity, user, since)
    return await people.principal_of_user(pool, user.id)


async def signed_in(platform: Platform, identity: ExternalIdentity, correlation: str | None = None) -> User:
    """Raises AuthenticationFailed when the user is not active."""
    return await run_in_threadpool(_signed_in, platform, identity, correlation)


def _signed_in(platform: Platform, identity: ExternalIdentity, correlation: str | None) -> User:
    try:
        return sign_in_external(platform.new_unit(), platform.system_call(correlation), identity)
    except Duplicate:  # somebody took the name at this very moment; now it is known, and another one is chosen
        return sign_in_external(platform.new_unit(), platform.system_call(correlation), identity)
