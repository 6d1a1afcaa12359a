"""A JWT taken apart, more strictly than RFC 7515 asks, and its signature.

Refused before any key is looked for: what is too long, not exactly three parts, base64url with stray bits (the same
token could be written in several ways), JSON with a name twice, and headers that bring their own key or change how
the token is to be read.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from governance.errors import AuthenticationFailed

LONGEST_TOKEN = 16 * 1024  # characters
_LONGEST_HEADER = 2048
_LONGEST_KID = 256
_PART = re.compile(r"[A-Za-z0-9_-]+")
_DANGEROUS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"})


@dataclass(frozen=True, slots=True)
class SignedText:
    """`claims` prove nothing before `verify` has passed. `typ` is lower case without "application/"."""

    text: str
    algorithm: str
    kid: str | None
    typ: str | None
    claims: dict[str, Any]

    @classmethod
    def parse(cls, text: str, algorithms: tuple[str, ...]) -> SignedText:
        """Raises AuthenticationFailed."""
        if len(text) > LONGEST_TOKEN or not looks_like_jwt(text):
            raise refused()
        encoded_header, encoded_claims, signature = text.split(".")
        _decoded(signature)
        header = _object(_decoded(encoded_header))
        algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
        if not isinstance(algorithm, str) or algorithm not in algorithms:
            raise refused()
        if not _DANGEROUS.isdisjoint(header) or len(encoded_header) > _LONGEST_HEADER:
            raise refused()
        if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KID):
            raise refused()
        if typ is not None:
            if not isinstance(typ, str):
                raise refused()
            typ = typ.lower().removeprefix("application/")
        return cls(text, algorithm, kid, typ, _object(_decoded(encoded_claims)))

    def verify(self, key: Key) -> None:
        """Raises AuthenticationFailed unless the key signed exactly this text with exactly this algorithm."""
        try:
            jws.deserialize_compact(self.text, key, registry=_Registry([self.algorithm]))
        except (JoseError, ValueError, TypeError) as error:
            raise refused() from error


def looks_like_jwt(text: str) -> bool:
    """Three parts in base64url. Our own tokens have no dots."""
    parts = text.split(".", 3)
    return len(parts) == 3 and all(_PART.fullmatch(part) for part in parts)


def refused() -> AuthenticationFailed:
    """The same words for every flaw, so that a forger learns nothing."""
    return AuthenticationFailed("The identity provider's token is not valid here.")


class _Registry(jws.JWSRegistry):
    max_header_length = _LONGEST_HEADER

    def __init__(self, algorithms: list[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Without the library's warning about the older name of Ed25519 (RFC 9864), which providers still use."""
        if self.allowed is None or name not in self.allowed:
            raise refused()
        return self.algorithms[name]


def _decoded(part: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise refused() from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise refused()
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise refused() from None
    if not isinstance(value, dict):
        raise refused()
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
