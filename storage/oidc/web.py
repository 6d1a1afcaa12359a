"""Calls to the provider: to the address named and no other, bounded in time and size."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from governance.errors import DependencyUnavailable

SECONDS = 5.0  # for a whole call
LARGEST_ANSWER = 512 * 1024  # bytes


async def fetch_json(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    login: tuple[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """(status below 500, the JSON object). `login` is sent as Basic authentication.

    Redirects are not followed: a provider's addresses stand in its metadata. A session for each call, since calls
    are rare and a session belongs to one event loop. Raises DependencyUnavailable.
    """
    headers = {"Accept": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    try:
        async with (
            aiohttp.ClientSession(
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=SECONDS),
                headers=headers,
            ) as session,
            session.request(method, url, data=form, allow_redirects=False) as answer,
        ):
            if answer.status >= 500 or answer.status == 429 or 300 <= answer.status < 400:
                raise unavailable(f"answered with status {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise unavailable("answered with more than fits")
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise unavailable("does not answer") from error
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise unavailable("did not answer with JSON") from None
    if not isinstance(value, dict):
        raise unavailable("did not answer with a JSON object")
    return answer.status, value


def unavailable(what: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"The identity provider {what}.", details={"dependency": "oidc"})
