"""The provider's public keys (RFC 7517), as they are now.

A key set is used for five minutes and then asked for again; what the provider no longer publishes is gone. A token
with a key id that is not in the set may mean that keys were rotated, so it causes one more look, but never two looks
within the pause: whoever makes up key ids cannot make us hammer the provider. While the provider is away, the last set
serves for another hour at most.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from governance.errors import DependencyUnavailable
from storage.oidc.web import unavailable

FRESH_SECONDS = 300.0
STALE_SECONDS = 3600.0
PAUSE_SECONDS = 5.0
MOST_KEYS = 100
RSA_BITS = range(2048, 8193)  # of the modulus; larger ones cost more time than they are worth

_KINDS: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
_PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_CLASSES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class KeyRing:
    """`fetch` answers with a JWK Set or raises DependencyUnavailable."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        pause: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._pause = pause
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: list[tuple[Mapping[str, Any], Key]] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed = False

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """The one key of this id for this algorithm; without an id, the only key there is for it.

        Raises DependencyUnavailable when the provider would have to be asked and does not answer.
        """
        seen = self._fetched_at
        if self._clock() - seen > FRESH_SECONDS:
            try:
                await self._refresh(seen)
            except DependencyUnavailable:
                if self._clock() - self._fetched_at > STALE_SECONDS:
                    raise
        seen = self._fetched_at
        found = self._find(kid, algorithm)
        if found is None and await self._refresh(seen):
            found = self._find(kid, algorithm)
        return found

    def _find(self, kid: str | None, algorithm: str) -> Key | None:
        kind, curve = _KINDS[algorithm]
        found = [
            key
            for stated, key in self._keys
            if stated["kty"] == kind
            and (curve is None or stated.get("crv") == curve)
            and stated.get("alg") in (None, algorithm)
            and (kid is None or stated.get("kid") == kid)
        ]
        return found[0] if len(found) == 1 else None

    async def _refresh(self, seen: float) -> bool:
        """Whether there are other keys than those fetched at `seen`."""
        async with self._lock:
            if self._fetched_at != seen:
                return True  # somebody else asked while we waited
            now = self._clock()
            if now - self._tried_at < self._pause:
                if self._failed:
                    raise unavailable("does not answer")
                return False
            self._tried_at, self._failed = now, True
            self._keys = usable_keys(await self._fetch())
            self._fetched_at, self._failed = now, False
            return True


def usable_keys(document: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Key]]:
    """The public keys for signatures in a JWK Set; keys of kinds that are not used here are passed over.

    Raises DependencyUnavailable for what is no JWK Set.
    """
    stated = document.get("keys")
    if not isinstance(stated, list) or len(stated) > MOST_KEYS:
        raise unavailable("did not answer with a key set")
    found: list[tuple[Mapping[str, Any], Key]] = []
    for entry in stated:
        if not isinstance(entry, dict) or entry.get("use") not in (None, "sig"):
            continue
        operations = entry.get("key_ops")
        if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
            continue
        kind = str(entry.get("kty"))
        if kind not in _PUBLIC or (kind == "RSA" and _bits(entry.get("n")) not in RSA_BITS):
            continue
        try:
            key = _CLASSES[kind].import_key({name: entry[name] for name in _PUBLIC[kind]})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        found.append((entry, key))
    return found


def _bits(modulus: Any) -> int:
    """0 for what is no number in base64url."""
    try:
        return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except (TypeError, ValueError):
        return 0
