"""Links to the page of a request that say who made them: us, and until when they are good.

They are addresses, not credentials. Whoever opens one signs in and sees what they may see; the signature only keeps
somebody from passing off another address, or an old one, as ours. HMAC-SHA-256 over path and expiry.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

MOST_QUERY = 500


class LinkRefused(Exception):
    """Not made by us, or changed since."""


class LinkExpired(LinkRefused):
    """Ours, and too old."""


def sign(path: str, *, key: bytes, at: datetime, ttl: timedelta) -> str:
    """Path and query of a link that is good until `at + ttl`."""
    expires = str(int((at + ttl).timestamp()))
    return f"{path}?{urlencode({'expires': expires, 'signature': _signature(path, expires, key)})}"


def verify(path: str, query: str, *, key: bytes, at: datetime) -> datetime:
    """When it expires. Raises LinkRefused, LinkExpired. Nothing may be added, repeated or missing."""
    pairs = parse_qsl(query, keep_blank_values=True) if len(query) <= MOST_QUERY else []
    given = dict(pairs)
    if len(pairs) != 2 or given.keys() != {"expires", "signature"}:
        raise LinkRefused("the link is not valid")
    expected = _signature(path, given["expires"], key)
    if not hmac.compare_digest(_bytes(given["signature"]), _bytes(expected)):
        raise LinkRefused("the link is not valid")
    expires = datetime.fromtimestamp(int(given["expires"]), UTC)  # signed, so it is ours and a number
    if at >= expires:
        raise LinkExpired("the link has expired")
    return expires


def _signature(path: str, expires: str, key: bytes) -> str:
    return hmac.digest(key, _bytes(f"{path}\n{expires}"), "sha256").hex()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
