"""The registry as a CI system calls it: JSON with a token, repeatable writes, patience with a busy platform.

Every write carries an `Idempotency-Key` that stays the same when the call is repeated, so that an answer lost on
the way never makes a second thing. 429 and 503 are repeated after the `Retry-After` that they name.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

BUSY = frozenset({429, 503})
LONGEST_PAUSE = 5.0  # seconds between two attempts, whatever Retry-After asks for
PATIENCE = 20.0  # seconds without a usable answer, after which the platform counts as gone


class PlatformGone(Exception):
    """Nothing usable came back for as long as we were ready to wait."""


class Stopped(Exception):
    """Another part of the demo ended it."""


class Refused(Exception):
    """The platform said no where the caller needed a yes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.summary)
        self.answer = answer


@dataclass(frozen=True)
class Answer:
    """What the platform said, in its envelope. `etag` is what `If-Match` of a change expects."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""

    @property
    def data(self) -> Any:
        """Raises Refused."""
        if self.status >= 400:
            raise Refused(self)
        return self.body.get("data")

    @property
    def links(self) -> Mapping[str, str]:
        return self.body.get("links") or {}

    @property
    def code(self) -> str:
        return str(self._error.get("code", ""))

    @property
    def message(self) -> str:
        return str(self._error.get("message", ""))

    @property
    def details(self) -> Mapping[str, Any]:
        return self._error.get("details") or {}

    @property
    def summary(self) -> str:
        """One line for people, e.g. "409 ILLEGAL_TRANSITION: A version in state …"."""
        return f"{self.status} {self.code}".rstrip() + (f": {self.message}" if self.message else "")

    @property
    def _error(self) -> Mapping[str, Any]:
        return self.body.get("error") or {}


class Wire:
    """The connection to one platform; threads share it. `stopping` ends every wait at once."""

    def __init__(self, api_url: str, *, patience: float = PATIENCE) -> None:
        self.api_url = api_url.rstrip("/")
        self.stopping = threading.Event()
        self._patience = patience
        # A proxy that the environment names is meant for the outside, and the platform is on this machine.
        self._client = httpx.Client(base_url=self.api_url, timeout=httpx.Timeout(30.0, connect=5.0), trust_env=False)

    def close(self) -> None:
        self._client.close()

    def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped."""
        if self.stopping.wait(seconds):
            raise Stopped

    def download(self, path: str, **parts: Any) -> bytes:
        """What lies there. Raises Refused, PlatformGone, Stopped."""
        response = self._answered("GET", path, **parts)
        if not response.is_success:
            raise Refused(_answer(response))
        return response.content

    def call(self, method: str, path: str, **parts: Any) -> Answer:
        """The platform's answer, whatever it says. Raises PlatformGone, Stopped."""
        return _answer(self._answered(method, path, **parts))

    def _answered(self, method: str, path: str, **parts: Any) -> httpx.Response:
        deadline, pause = time.monotonic() + self._patience, 0.25
        while True:
            self.pause(0)
            try:
                response = self._client.request(method, path, **parts)
            except httpx.TransportError as error:
                trouble, pause = f"{type(error).__name__}: {error}", min(LONGEST_PAUSE, 2 * pause)
            else:
                if response.status_code not in BUSY:
                    return response
                trouble, pause = _answer(response).summary, retry_after(response.headers.get("retry-after"))
            if time.monotonic() + pause > deadline:
                raise PlatformGone(f"{self.api_url} gives no usable answer to {method} {path} ({trouble}).")
            self.pause(pause)


class Caller:
    """One person's calls."""

    def __init__(self, wire: Wire, name: str, token: str) -> None:
        self.wire = wire
        self.name = name
        self._auth = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **params: str | int) -> Answer:
        # No parameters means the address as it is: an empty mapping would strip the query of a `next` link.
        return self.wire.call("GET", path, headers=self._auth, params=params or None)

    def post(self, path: str, body: Mapping[str, Any] | Sequence[Any]) -> Answer:
        return self.wire.call("POST", path, headers=self._writing(), json=body)

    def download(self, path: str) -> bytes:
        """The bytes of an answer that is no JSON. Raises Refused."""
        return self.wire.download(path, headers=self._auth)

    def put(self, path: str, body: Mapping[str, Any], *, etag: str | None = None) -> Answer:
        condition = {"If-Match": etag} if etag is not None else {}
        return self.wire.call("PUT", path, headers=self._writing() | condition, json=body)

    def delete(self, path: str) -> Answer:
        return self.wire.call("DELETE", path, headers=self._auth)

    def upload(self, path: str, content: bytes, **params: str) -> Answer:
        """Send bytes with their digest, which the platform compares with what arrives."""
        about = {
            "Content-Type": "application/octet-stream",
            "X-Content-SHA256": hashlib.sha256(content).hexdigest(),
        }
        return self.wire.call("POST", path, headers=self._writing() | about, content=content, params=params)

    def every(self, path: str, **params: str | int) -> Iterator[Any]:
        """All items of a list, page after page. Raises Refused, PlatformGone, Stopped."""
        page = self.get(path, **{"pageSize": 200, **params})
        while True:
            yield from page.data
            following = page.links.get("next")
            if following is None:
                return
            page = self.get(following)

    def _writing(self) -> dict[str, str]:
        return {**self._auth, "Idempotency-Key": str(uuid.uuid4())}


def retry_after(header: str | None) -> float:
    """Seconds to wait, from a `Retry-After` in seconds; a date or nonsense counts as one second."""
    try:
        return min(LONGEST_PAUSE, max(0.1, float(header or 1)))
    except ValueError:
        return 1.0


def _answer(response: httpx.Response) -> Answer:
    try:
        body = response.json()
    except ValueError:
        body = {"error": {"code": response.reason_phrase, "message": response.text[:200]}}
    return Answer(response.status_code, body if isinstance(body, dict) else {}, response.headers.get("etag", ""))
