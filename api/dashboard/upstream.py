"""The connection to the Prefect server. Its secret is added here, and nothing of the caller's identity goes along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from storage.prefect_server import basic
from storage.settings import Settings

# Lists of what passes, so that cookies, credentials, hop-by-hop headers and whatever comes up next do not.
_ASKED = ("accept", "accept-encoding", "accept-language", "content-type", "if-none-match", "if-modified-since")
_ANSWERED = ("content-type", "content-encoding", "content-disposition", "etag", "last-modified", "vary")

_TIMES = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)


class UpstreamGone(Exception):
    """The Prefect server does not answer, or not to us."""


class Answer:
    """Read it or stream it, exactly once; both release the connection."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}

    async def read(self) -> bytes:
        try:
            return await self._answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamGone from error

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        finally:
            self._answer.release()

    def drop(self) -> None:
        self._answer.release()


class Upstream:
    """Open it inside a running event loop, close it there."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.prefect_api_url.removesuffix("/").removesuffix("/api")
        self._auth = basic(settings.prefect_auth)
        self._client: aiohttp.ClientSession | None = None

    def open(self) -> None:
        self._client = aiohttp.ClientSession(
            auto_decompress=False,
            auth=aiohttp.BasicAuth(*self._auth) if self._auth else None,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers={"Accept-Encoding", "User-Agent", "Content-Type"},
            timeout=_TIMES,
            connector=aiohttp.TCPConnector(limit=100),
            trust_env=False,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """`target`: path and query, sent as they are. Raises UpstreamGone."""
        if self._client is None or not self._base:
            raise UpstreamGone
        passed = {name: value for name, value in (headers or {}).items() if name.lower() in _ASKED}
        try:
            answer = await self._client.request(
                method,
                URL(self._base + target, encoded=True),
                headers=passed,
                data=body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamGone from error
        if answer.status == 401:  # our own credential: nothing that the caller could repair by signing in
            answer.release()
            raise UpstreamGone
        return Answer(answer)

    async def json(self, target: str) -> Any:
        """What a GET answers; None for anything but a success. Raises UpstreamGone."""
        answer = await self.ask("GET", target, {"accept": "application/json"})
        content = await answer.read()
        return orjson.loads(content) if answer.status == 200 else None
