"""Waiting a bounded time for what others work on, without holding a connection or a thread meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Query

T = TypeVar("T")

LONGEST_WAIT = 120.0  # seconds
_FIRST_PAUSE = 0.1  # seconds; each is half as long again as the one before
_LONGEST_PAUSE = 2.0

WaitSeconds = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT,
        allow_inf_nan=False,
        description="How long the call waits for the end before it answers 202, in seconds.",
    ),
]


async def wait_for(
    look: Callable[[], Awaitable[T]],
    over: Callable[[T], bool],
    seconds: float,
    *,
    gone: Callable[[], Awaitable[bool]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """What `look` saw last: what is `over`, or after `seconds` what is not. gone: nobody waits any longer."""
    deadline = clock() + seconds
    length = _FIRST_PAUSE
    while True:
        seen = await look()
        left = deadline - clock()
        if over(seen) or left <= 0 or (gone is not None and await gone()):
            return seen
        await pause(min(length, left))
        length = min(length * 1.5, _LONGEST_PAUSE)
