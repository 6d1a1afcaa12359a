"""Signs an S3 address for one GET: AWS Signature Version 4 with query parameters.

boto3 spells addresses well but signs them at the machine's clock; here the moment is handed in. Source:
Amazon S3 API reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", whose
example is a test.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import reduce
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

MAX_TTL_SECONDS = 7 * 24 * 3600


class SigningCredentials(NamedTuple):
    """What boto3 calls frozen credentials: `token` only with temporary ones."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.access_key!r})"


def presigned_get(url: str, credentials: SigningCredentials, *, region: str, at: datetime, ttl_seconds: int) -> str:
    """The address with its signature, valid from `at` (aware) for `ttl_seconds`, at most a week.

    The path of `url` must be percent-encoded already; its query parameters become part of what is signed. A
    signature that it bears already is replaced.
    """
    if not 0 < ttl_seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"an address lives from 1 to {MAX_TTL_SECONDS} seconds, not {ttl_seconds}")
    if at.tzinfo is None:
        raise ValueError("a moment without time zone")
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    scheme, host, path, query, _ = urlsplit(url)
    parameters = {
        **{name: value for name, value in parse_qsl(query, True) if not name.startswith("X-Amz-")},
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(ttl_seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token is not None:
        parameters["X-Amz-Security-Token"] = credentials.token
    signed = "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in parameters.items()))
    request = "\n".join(("GET", path or "/", signed, f"host:{host}\n", "host", "UNSIGNED-PAYLOAD"))
    message = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = reduce(_derived, scope.split("/"), f"AWS4{credentials.secret_key}".encode())
    signature = _derived(key, message).hex()
    return urlunsplit((scheme, host, path or "/", f"{signed}&X-Amz-Signature={signature}", ""))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _derived(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
