"""The one provider that the settings name: where people are sent, codes redeemed, tokens judged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from governance.errors import AuthenticationFailed, DependencyUnavailable, NotConfigured
from governance.external_identity import ExternalIdentity
from storage.oidc.claims import check_access_token, check_id_token, identity_of
from storage.oidc.discovery import Metadata, discover
from storage.oidc.key_ring import PAUSE_SECONDS, KeyRing
from storage.oidc.recent import RecentUsers
from storage.oidc.signed_text import SignedText, refused
from storage.oidc.web import fetch_json, unavailable
from storage.settings import Settings

METADATA_SECONDS = 3600.0
PROMPT = timedelta(minutes=10)
"""How old an id token may be that is exchanged: it tells of a sign-in that has just happened."""


class OidcProvider:
    """Belongs to one event loop. Every method raises DependencyUnavailable when the provider does not answer."""

    def __init__(
        self, settings: Settings, *, pause: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._pause = pause
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_at = self._tried_at = float("-inf")
        self.recent = RecentUsers(clock)
        self._keys = KeyRing(self._fetch_keys, pause=pause, clock=clock)

    @property
    def enabled(self) -> bool:
        return bool(self._settings.oidc_issuer)

    @property
    def device_client_id(self) -> str:
        return self._settings.oidc_device_client_id or self._settings.oidc_client_id

    def require(self) -> None:
        """Raises NotConfigured."""
        if not self.enabled:
            raise NotConfigured("Signing in by OpenID Connect is not set up here.")

    async def metadata(self) -> Metadata:
        """Kept for an hour; while the provider is away, what it said last holds."""
        async with self._lock:
            now = self._clock()
            known = self._metadata
            if known is not None and now - self._metadata_at < METADATA_SECONDS:
                return known
            if now - self._tried_at < min(self._pause, 2.0):
                if known is not None:
                    return known
                raise unavailable("does not answer")
            self._tried_at = now
            try:
                found = await discover(self._settings.oidc_issuer)
            except DependencyUnavailable:
                if known is not None:
                    return known
                raise
            self._metadata, self._metadata_at, self._tried_at = found, now, float("-inf")
            return found

    async def authorization_address(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent: code flow with PKCE S256 (RFC 7636)."""
        metadata = await self.metadata()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.oidc_client_id,
                "redirect_uri": redirect_uri,
                "scope": self._settings.oidc_scopes,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            },
            quote_via=quote,
        )
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{query}"

    async def redeem(
        self, code: str, *, redirect_uri: str, verifier: str, nonce: str, at: datetime
    ) -> ExternalIdentity:
        """Who signed in. Raises AuthenticationFailed for a code or token that is not good."""
        metadata, settings = await self.metadata(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        login = None
        if settings.oidc_client_secret and not metadata.login_in_form:  # RFC 6749, 2.3.1: encoded as in a form
            login = (quote(settings.oidc_client_id, safe=""), quote(settings.oidc_client_secret, safe=""))
        else:
            form["client_id"] = settings.oidc_client_id
            if settings.oidc_client_secret:
                form["client_secret"] = settings.oidc_client_secret
        status, answer = await fetch_json("POST", metadata.token_endpoint, form=form, login=login)
        if status != 200:
            if answer.get("error") in ("invalid_client", "unauthorized_client"):
                raise unavailable("does not accept this installation as a client")
            raise AuthenticationFailed("The identity provider did not accept this sign-in.")
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise refused()
        token = await self._verified(id_token)
        check_id_token(token, issuer=metadata.issuer, client_id=settings.oidc_client_id, nonce=nonce, at=at)
        return identity_of(token.claims, settings.oidc_groups_claim)

    async def judge_id_token(self, text: str, *, at: datetime) -> ExternalIdentity:
        """Who signed in on a device a moment ago. Raises AuthenticationFailed."""
        settings = self._settings
        token = await self._verified(text)
        check_id_token(token, issuer=settings.oidc_issuer, client_id=self.device_client_id, nonce=None, at=at)
        identity = identity_of(token.claims, settings.oidc_groups_claim)
        if at - identity.issued_at > PROMPT:
            raise refused()
        return identity

    async def judge_access_token(self, text: str, *, at: datetime) -> ExternalIdentity:
        """Whom the bearer of this access token stands for. Raises AuthenticationFailed."""
        settings = self._settings
        if not settings.oidc_audience:
            raise refused()
        token = await self._verified(text)
        check_access_token(
            token,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            client_ids={settings.oidc_client_id, self.device_client_id},
            at=at,
        )
        return identity_of(token.claims, settings.oidc_groups_claim)

    async def _verified(self, text: str) -> SignedText:
        metadata = await self.metadata()
        token = SignedText.parse(text, metadata.algorithms)
        if token.claims.get("iss") != metadata.issuer:
            raise refused()  # before keys are looked for
        key = await self._keys.key(token.kid, token.algorithm)
        if key is None:
            raise refused()
        token.verify(key)
        return token

    async def _fetch_keys(self) -> Mapping[str, Any]:
        status, document = await fetch_json("GET", (await self.metadata()).jwks_uri)
        if status != 200:
            raise unavailable(f"answered for its keys with status {status}")
        return document
