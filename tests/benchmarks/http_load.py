"""A closed loop of HTTP calls from a process of its own: every client sends, waits for the answer, sends again.

Clients keep their connection. Written on plain streams, so that the calls cost little; what they cost is not counted.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


def get(port: int, path: str, token: str | None = None) -> bytes:
    """The bytes of a GET over HTTP/1.1."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization}\r\n".encode()


def drive(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> list[float]:
    """Milliseconds of every call. Raises RuntimeError for an answer that is not 200."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_drive, port, list(requests), clients, seconds).result()


def _drive(port: int, requests: list[bytes], clients: int, seconds: float) -> list[float]:
    return uvloop.run(_all(port, requests, clients, seconds))


async def _all(port: int, requests: list[bytes], clients: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    spaced = [requests[number * len(requests) // clients :] + requests for number in range(clients)]
    took = await asyncio.gather(*(_client(port, own, until) for own in spaced))
    return list(itertools.chain.from_iterable(took))


async def _client(port: int, requests: list[bytes], until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for request in itertools.cycle(requests):
        started = time.perf_counter()
        if started >= until:
            break
        writer.write(request)
        head = await reader.readuntil(_HEAD_END)
        place = head.lower().index(_LENGTH) + len(_LENGTH)
        body = await reader.readexactly(int(head[place : head.index(b"\r\n", place)]))
        took.append((time.perf_counter() - started) * 1000)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{request.split(_HEAD_END)[0][:100]!r} was answered {head[:40]!r} {body[:300]!r}")
    writer.close()
    return took
