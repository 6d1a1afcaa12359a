"""From what an identity provider vouches for to a user of ours."""

from __future__ import annotations

from fastapi.concurrency import run_in_threadpool

from governance.errors import Duplicate
from governance.external_identity import ExternalIdentity
from governance.operations.external_identities import sign_in_external
from governance.people import User
from storage.composition import Platform, now


async def principal_of_jwt(platform: Platform, jwt_text: str) -> User:
    """The user for whom the bearer of a provider's access token (a JWT, RFC 9068) calls.

    Signature and claims are checked with every call; the user is read at most half a second ago, so that making it
    inactive takes effect within a second. Raises AuthenticationFailed, NotConfigured, DependencyUnavailable.
    """
    provider = platform.oidc
    provider.require()
    identity = await provider.judge_access_token(jwt_text, at=now())
    if (user := provider.recent.get(identity)) is None:
        since = provider.recent.now()
        user = await signed_in(platform, identity)
        provider.recent.put(identity, user, since)
    return user


async def signed_in(platform: Platform, identity: ExternalIdentity, correlation: str | None = None) -> User:
    """Raises AuthenticationFailed when the user is not active."""
    return await run_in_threadpool(_signed_in, platform, identity, correlation)


def _signed_in(platform: Platform, identity: ExternalIdentity, correlation: str | None) -> User:
    try:
        return sign_in_external(platform.new_unit(), platform.system_call(correlation), identity)
    except Duplicate:  # somebody took the name at this very moment; now it is known, and another one is chosen
        return sign_in_external(platform.new_unit(), platform.system_call(correlation), identity)
