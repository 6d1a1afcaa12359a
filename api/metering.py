"""Counting the calls of this process: how many, how they ended, how long they took.

By route as it is declared, never by the address that was called, so that there are as many series as routes.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ELSEWHERE = "elsewhere"
"""What no declared route has answered, such as an unknown address or the dashboard."""


@dataclass(slots=True)
class Durations:
    """counts: calls by bucket, and those longer than the last one."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class RequestMeter:
    """For one event loop."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, str], int] = {}  # by method, route, status
        self.durations: dict[tuple[str, str], Durations] = {}  # by method, route

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, str(status) if status else "none")  # none: the caller went before there was an answer
        self.calls[key] = self.calls.get(key, 0) + 1
        durations = self.durations.get(key[:2])
        if durations is None:
            durations = self.durations[key[:2]] = Durations()
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.seconds += seconds


class Metering:
    """Stands outside of everything else, so that what is refused early is counted as well."""

    def __init__(self, app: ASGIApp, meter: RequestMeter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", None) or ELSEWHERE
            self._meter.count(method, route, status, time.perf_counter() - started)
