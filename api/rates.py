"""How many calls a minute one address and one principal may make, in this process.

A sliding window of two halves: calls of this minute, plus the share of the last minute that still lies within sixty
seconds. Counters of a minute are dropped together with it, and one dictionary holds no more than MOST_KEYS callers
(all further ones share a counter), so memory is bounded and there is nothing to sweep. The `limits` library was
measured for this: its memory storage walks all its keys every 10 ms, which costs 830 µs CPU a call once 50,000
addresses have called; this costs about one, whoever calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

WINDOW = 60.0  # seconds
MOST_KEYS = 50_000
_OTHERS = "everybody else"


@dataclass(frozen=True, slots=True)
class Exceeded:
    limit: int
    retry_after: int  # seconds

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Retry-After": str(self.retry_after),
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": str(self.retry_after),
        }


class RateLimit:
    """`limit` calls a minute per key; 0 means as many as one likes. Not for several threads: the event loop's."""

    __slots__ = ("_began", "_clock", "_last", "_now", "limit")

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._began = clock()
        self._now: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def hit(self, key: str) -> Exceeded | None:
        """Count a call; None when it is allowed. A refused call is not counted."""
        if not self.limit:
            return None
        age = self._clock() - self._began
        if age >= WINDOW:
            age = self._turn(age)
        counts = self._now
        count = counts.get(key)
        if count is None and len(counts) >= MOST_KEYS:
            key = _OTHERS
            count = counts.get(key)
        count = count or 0
        before = self._last.get(key, 0)
        if count + before * (1 - age / WINDOW) >= self.limit:
            return Exceeded(self.limit, self._wait(count, before, age))
        counts[key] = count + 1
        return None

    def _turn(self, age: float) -> float:
        """Begin a new minute; the age of the call within it."""
        passed = int(age // WINDOW)
        self._last = self._now if passed == 1 else {}
        self._now = {}
        self._began += passed * WINDOW
        return age - passed * WINDOW

    def _wait(self, count: int, before: int, age: float) -> int:
        """Seconds until enough of the past has left the window, rounded up."""
        if count < self.limit:  # it is the last minute that weighs
            at = WINDOW * (1 - (self.limit - count) / before)
            return max(1, ceil(at - age))
        return max(1, ceil(WINDOW - age + WINDOW * (1 - self.limit / count)))
