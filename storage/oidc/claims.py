"""What a token of the provider says, held against what it has to say here.

An id token tells a client who signed in (OpenID Connect Core 1.0, 3.1.3.7): it is for that client alone, and answers
its nonce. An access token lets its bearer call an API (RFC 9068): it is for our audience. Neither is taken for the
other: an access token has the type "at+jwt"; where a provider writes a plain "JWT", it must be for an audience that
is no client of ours and carry nothing that only id tokens carry. Tokens that are bound to a key of the sender (RFC
7800, `cnf`) are not accepted from a mere bearer.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from governance.external_identity import ExternalIdentity, IdentityKind
from storage.oidc.signed_text import SignedText, refused

LEEWAY = 30.0  # seconds that clocks may differ
LONGEST_SUBJECT = 255  # characters, by OpenID Connect Core 2
MOST_GROUPS = 500
LATEST = 253402300799.0  # the last second of the year 9999
_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})


def check_id_token(token: SignedText, *, issuer: str, client_id: str, nonce: str | None, at: datetime) -> None:
    """`nonce` None: of the device flow, which has none; a token with one belongs to a browser's sign-in.

    Raises AuthenticationFailed.
    """
    claims = token.claims
    _common(claims, issuer, at)
    if token.typ not in (None, "jwt") or "events" in claims or "cnf" in claims:
        raise refused()
    if _audience(claims) != {client_id}:  # Core 3.1.3.7: other audiences must be trusted, and none is
        raise refused()
    if claims.get("azp", client_id) != client_id:
        raise refused()
    stated = claims.get("nonce")
    if nonce is None:
        if stated is not None:
            raise refused()
    elif not isinstance(stated, str) or not hmac.compare_digest(_bytes(stated), _bytes(nonce)):
        raise refused()


def check_access_token(
    token: SignedText, *, issuer: str, audience: str, client_ids: Collection[str], at: datetime
) -> None:
    """Raises AuthenticationFailed."""
    claims = token.claims
    _common(claims, issuer, at)
    audiences = _audience(claims)
    if audience not in audiences:
        raise refused()
    if token.typ in (None, "jwt"):
        if not audiences.isdisjoint(client_ids) or not _OF_ID_TOKENS.isdisjoint(claims):
            raise refused()
    elif token.typ != "at+jwt":
        raise refused()
    if "events" in claims or "cnf" in claims or _client(claims) is None:
        raise refused()


def identity_of(claims: Mapping[str, Any], groups_claim: str) -> ExternalIdentity:
    """Of checked claims. Who signs in for itself is its own subject (RFC 9068, 2.2) and so a service."""
    subject = str(claims["sub"])
    kind: IdentityKind = "service" if subject == _client(claims) else "person"
    wished = (claims.get(name) for name in ("preferred_username", "name", "email"))
    name = next((wish for wish in wished if isinstance(wish, str) and wish.strip() and wish.isprintable()), subject)
    return ExternalIdentity(
        issuer=str(claims["iss"]),
        subject=subject,
        name=name[:LONGEST_SUBJECT],
        kind=kind,
        groups=_groups(claims.get(groups_claim)),
        issued_at=datetime.fromtimestamp(_moment(claims, "iat"), UTC),
    )


def _common(claims: Mapping[str, Any], issuer: str, at: datetime) -> None:
    now = at.timestamp()
    subject = claims.get("sub")
    if claims.get("iss") != issuer:
        raise refused()
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise refused()
    if _moment(claims, "exp") <= now - LEEWAY or _moment(claims, "iat") > now + LEEWAY:
        raise refused()
    if "nbf" in claims and _moment(claims, "nbf") > now + LEEWAY:
        raise refused()


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise refused()
    return float(value)


def _audience(claims: Mapping[str, Any]) -> set[str]:
    value = claims.get("aud")
    named = value if isinstance(value, list) else [value]
    if not named or not all(isinstance(one, str) and one for one in named):
        raise refused()
    return set(named)


def _client(claims: Mapping[str, Any]) -> str | None:
    value = claims.get("client_id", claims.get("azp"))
    return value if isinstance(value, str) and value else None


def _groups(value: Any) -> tuple[str, ...]:
    named = [value] if isinstance(value, str) else value
    if named is None:
        return ()
    if not isinstance(named, list) or len(named) > MOST_GROUPS or not all(isinstance(one, str) for one in named):
        raise refused()
    return tuple(dict.fromkeys(one for one in named if one and one.isprintable()))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
