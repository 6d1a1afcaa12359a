"""Download addresses of the local store: whoever holds one may fetch that blob until it expires.

The signature is an HMAC-SHA-256 over method, path and every parameter, so neither the blob, the name it is
saved under, the media type nor the expiry can be exchanged. It authorises by possession: the API that serves
it asks for no further credentials, so addresses live for minutes. Whoever rotates the key revokes all of
them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from storage.artifacts.download_names import safe_filename, safe_media_type

MIN_KEY_BYTES = 32
MAX_TTL_SECONDS = 7 * 24 * 3600
"""A week, as presigned S3 addresses have it too."""

_FIELDS = frozenset({"expires", "filename", "type", "signature"})
_MAX_QUERY = 4096


class UrlRefused(Exception):
    """The address was not signed by us for this request; deliberately says no more."""


class UrlExpired(UrlRefused):
    """The address was ours and has expired: ask for a new one."""


@dataclass(frozen=True, slots=True)
class DownloadClaims:
    """What a valid address allows: the blob in its path, under this name and type, up to `expires` (UTC)."""

    filename: str
    media_type: str
    expires: datetime


def sign(method: str, path: str, *, filename: str, media_type: str, key: bytes, at: datetime, ttl_seconds: int) -> str:
    """Path and query of a signed address. The path must consist of unreserved characters and `/`."""
    if not 0 < ttl_seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"an address lives from 1 to {MAX_TTL_SECONDS} seconds, not {ttl_seconds}")
    expires = _aware(at) + timedelta(seconds=ttl_seconds)
    claims = {
        "expires": str(int(expires.timestamp())),
        "filename": safe_filename(filename),
        "type": safe_media_type(media_type),
    }
    return f"{path}?{urlencode({**claims, 'signature': _signature(method, path, claims, key)})}"


def verify(method: str, path: str, query: str, *, key: bytes, at: datetime) -> DownloadClaims:
    """What the address allows, if it is ours and still valid.

    `path` and `query` are those of the request as they came over the wire, the query without `?`. HEAD is
    verified as "GET": whoever may read the body may read its headers.

    Raises:
        UrlRefused: any parameter missing, repeated, added or changed, another method or path, another key.
        UrlExpired: valid once.
    """
    claims = _parameters(query)
    signature = claims.pop("signature")
    # Bytes, because compare_digest raises TypeError for a str outside ASCII.
    if not hmac.compare_digest(_bytes(signature), _bytes(_signature(method, path, claims, key))):
        raise UrlRefused("the address is not valid")
    # Only now are the claims ours, so they need no further checks.
    expires = datetime.fromtimestamp(int(claims["expires"]), UTC)
    if _aware(at) >= expires:
        raise UrlExpired("the address has expired")
    return DownloadClaims(claims["filename"], claims["type"], expires)


def _parameters(query: str) -> dict[str, str]:
    if len(query) > _MAX_QUERY or not query.isascii():
        raise UrlRefused("the address is not valid")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=8)
    except ValueError:
        raise UrlRefused("the address is not valid") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs) or parameters.keys() != _FIELDS:
        raise UrlRefused("the address is not valid")
    return parameters


def _signature(method: str, path: str, claims: dict[str, str], key: bytes) -> str:
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"a signing key has at least {MIN_KEY_BYTES} bytes")
    # Percent-encoding keeps a claim from imitating the separators, so two requests never sign the same
    # message.
    message = "\n".join(("gatehouse-download-1", method, path, urlencode(sorted(claims.items()))))
    return hmac.digest(key, _bytes(message), "sha256").hex()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a path may hold anything; it must not raise here


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    return moment
