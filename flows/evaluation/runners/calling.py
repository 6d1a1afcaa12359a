"""Calls to the endpoint that serves a model: to one address only, bounded in time and size, tried again with patience.

The name is resolved once and every connection goes to what was found, if it may be asked at all
(`governance.endpoints.refused_address`). Redirects are not followed, proxies of the environment not used, compressed
answers not asked for. Waiting for the network ends at a deadline, however slowly the bytes drip. Overload (429), errors
of the server (5xx) and lost connections are tried again, since asking for a prediction changes nothing.

Refusals speak of kinds of failures and never repeat what was sent or answered, which may hold the secret.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import httpcore
import numpy as np

from flows.evaluation.job import RefusedError
from governance.endpoints import Location, refused_address

MIB = 1024**2
OVERLOADED = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Times in seconds. read: of silence. call: one call with its answer. total: all calls of a runner together.

    attempts: of one call, the first included. pause: before the second attempt, doubled each time up to
    `longest_pause`; a server's Retry-After counts up to there, too.
    """

    connect: float = 5.0
    read: float = 30.0
    call: float = 60.0
    total: float = 540.0
    answer_bytes: int = 64 * MIB
    attempts: int = 4
    pause: float = 0.5
    longest_pause: float = 8.0


class Caller:
    """Raises RefusedError "unavailable" when the endpoint does not answer, "model" when it answers nonsense."""

    def __init__(
        self,
        url: str,
        limits: CallLimits,
        *,
        secret: str | None = None,
        authorities: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """secret: sent as a bearer token. authorities: PEM file of certificate authorities beside the system's."""
        self.location = Location.parsed(url)
        self._limits, self._secret, self._clock, self._sleep = limits, secret, clock, sleep
        self._ends = clock() + limits.total
        self._network = _Network(self.location, limits, clock)
        context = ssl.create_default_context()
        if authorities:
            context.load_verify_locations(authorities)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_connections=1, http1=True, http2=False, network_backend=self._network
        )

    def close(self) -> None:
        self._pool.close()

    def get(self, path: str) -> Any:
        """The JSON that the endpoint answers below its own path; None for an answer without content."""
        return self._read(*self._call("GET", path, None))

    def is_ready(self, path: str) -> bool:
        """Whether a route of readiness says yes; servers say no by a status or by `{"ready": false}`."""
        status, answer = self._call("GET", path, None)
        if status in (400, 409, 412):
            return False
        said = self._read(status, answer)
        return not (isinstance(said, Mapping) and said.get("ready") is False)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._read(*self._call("POST", path, json.dumps(body, separators=(",", ":")).encode()))

    def _call(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        pause = self._limits.pause
        for attempt in range(1, self._limits.attempts + 1):
            status, asked_pause, answer = self._attempt(method, path, content)
            if status is not None and status < 500 and status not in OVERLOADED:
                return status, answer
            wait = min(max(pause, asked_pause), self._limits.longest_pause)
            if attempt == self._limits.attempts or self._clock() + wait >= self._ends:
                said = f"answers with status {status}" if status else "closes the connection or does not take one"
                raise RefusedError("unavailable", f"The endpoint {said}, also after {_times(attempt)}.")
            self._sleep(wait * (1 + random.random() / 4))  # noqa: S311 - so that workers do not come back together
            pause *= 2
        raise AssertionError("unreachable")

    def _attempt(self, method: str, path: str, content: bytes | None) -> tuple[int | None, float, bytes]:
        """(status, or None for a lost connection; the pause that was asked for; the answer)."""
        self._network.deadline = min(self._ends, self._clock() + self._limits.call)
        times = {"connect": self._limits.connect, "read": self._limits.read, "write": self._limits.read, "pool": 5.0}
        location = self.location
        url = httpcore.URL(
            scheme=location.scheme.encode(),
            host=location.host.encode(),
            port=location.port,
            target=(location.path + path).encode(),
        )
        try:
            with self._pool.stream(
                method, url, headers=self._headers(content), content=content, extensions={"timeout": times}
            ) as response:
                wait = _seconds({name.lower(): value for name, value in response.headers}.get(b"retry-after"))
                return response.status, wait, self._bounded(response.iter_stream())
        except httpcore.TimeoutException:
            raise RefusedError("unavailable", "The endpoint does not answer in time.") from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            return None, 0.0, b""
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            raise RefusedError("model", "The endpoint does not speak HTTP.") from None

    def _headers(self, content: bytes | None) -> list[tuple[bytes, bytes]]:
        location = self.location
        host = str(Location(location.scheme, location.host, location.port, "")).partition("://")[2]
        headers = [(b"Host", host.encode()), (b"Accept", b"application/json"), (b"Accept-Encoding", b"identity")]
        headers.append((b"User-Agent", b"gatehouse"))
        if content is not None:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(content)).encode())]
        if self._secret is not None:
            headers.append((b"Authorization", f"Bearer {self._secret}".encode("ascii")))
        return headers

    def _bounded(self, parts: Iterable[bytes]) -> bytes:
        answer = bytearray()
        for part in parts:
            answer += part
            if len(answer) > self._limits.answer_bytes:
                mib = self._limits.answer_bytes / MIB
                raise RefusedError("model", f"The endpoint answers more than the {mib:g} MiB that are allowed.")
        return bytes(answer)

    def _read(self, status: int, answer: bytes) -> Any:
        if 300 <= status < 400:
            raise RefusedError("model", f"The endpoint redirects (status {status}); redirects are not followed.")
        if status in (401, 403):
            raise RefusedError("model", f"The endpoint refuses who asks (status {status}); its secret may be wrong.")
        if status == 404:
            raise RefusedError("model", "The endpoint knows no such model (status 404).")
        if not 200 <= status < 300:
            raise RefusedError("model", f"The endpoint refuses the question (status {status}).")
        if not answer.strip():
            return None
        self._keep_secret(answer.decode("utf-8", "replace"))
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            raise RefusedError("model", "The endpoint answers something else than JSON.") from None
        if b"\\" in answer:
            self._keep_secret(json.dumps(value, ensure_ascii=False))
        return value

    def _keep_secret(self, text: str) -> None:
        """What a model answers is stored and shown, so an endpoint that repeats its secret is not listened to."""
        if self._secret is not None and self._secret in text:
            raise RefusedError("model", "The endpoint repeats the secret it was asked with.")


class _Network(httpcore.NetworkBackend):
    """Connects to the one address that was found, whatever it is told, until the deadline of the current call."""

    def __init__(self, location: Location, limits: CallLimits, clock: Callable[[], float]) -> None:
        self._location, self._limits, self._clock = location, limits, clock
        self._address: str | None = None
        self._inner = httpcore.SyncBackend()
        self.deadline = float("inf")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if self._address is None:
            self._address = self._resolved()
        left = self.left(timeout)
        stream = self._inner.connect_tcp(self._address, self._location.port, left, None, socket_options)
        return _Stream(stream, self)

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> NoReturn:
        raise httpcore.ConnectError

    def sleep(self, seconds: float) -> None:
        raise httpcore.ConnectError

    def left(self, timeout: float | None) -> float:
        """Seconds that may be waited. Raises ReadTimeout when there are none."""
        left = self.deadline - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)

    def _resolved(self) -> str:
        """One address of the host. All of them must be allowed: a name that mixes them means no good."""
        if (literal := self._location.literal) is not None:
            found = [str(literal)]
        else:
            found = _looked_up(self._location, self.left(self._limits.connect))
        for address in found:
            if why := refused_address(address, self._location.host):
                raise RefusedError("model", f"The endpoint's address may not be asked: {why}.")
        return found[0]


class _Stream(httpcore.NetworkStream):
    """No wait goes beyond the deadline of the call: a read that gets a byte now and then ends there as well."""

    def __init__(self, inner: httpcore.NetworkStream, network: _Network) -> None:
        self._inner, self._network = inner, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._network.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), 65_536):
            self._inner.write(buffer[start : start + 65_536], self._network.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, self._network.left(timeout))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise RefusedError("unavailable", "No secure connection: check the endpoint's certificate.") from None
            raise
        return _Stream(inner, self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _looked_up(location: Location, seconds: float) -> list[str]:
    """The resolver takes no time limit, so it is asked in a thread that may be left behind."""
    found: list[str] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
        except OSError:
            return
        found.extend(dict.fromkeys(str(info[4][0]) for info in infos))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise RefusedError("unavailable", "The endpoint's host has no address.")
    return found


def _seconds(retry_after: bytes | None) -> float:
    """Only the form in seconds: a date would need the same clock on both sides."""
    text = (retry_after or b"").strip()
    return float(text) if text.isdigit() and len(text) < 6 else 0.0


def _times(attempts: int) -> str:
    return "one attempt" if attempts == 1 else f"{attempts} attempts"


def numbers(data: Any) -> Any:
    """A JSON list of numbers, flat or nested, as an array; None for anything else."""
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "iufb" else None
