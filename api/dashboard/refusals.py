"""What was refused is audited, in amounts that cannot flood the log.

Each person has a number of entries per minute, and everybody without a session has one together. What goes beyond is
counted, and becomes one entry when the minute is over: nothing is lost but the order within it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from fastapi.concurrency import run_in_threadpool

from governance.access.principal import Principal
from governance.operations.refusals import Attempt, record_refusal
from storage.composition import Platform

log = logging.getLogger("gatehouse.dashboard")

WINDOW_SECONDS = 60.0
OF_A_PERSON = 60
OF_NOBODY = 30


@dataclass
class _Window:
    principal: Principal | None
    ends: float
    left: int
    last: Attempt | None = None  # of those that were only counted
    counted: int = 0


class Refusals:
    """Lives in one event loop."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._windows: dict[str, _Window] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def note(self, principal: Principal | None, attempt: Attempt, correlation: str | None) -> None:
        """Does not raise: what is refused is refused also when it cannot be recorded."""
        window = self._window(principal)
        if window.left > 0:
            window.left -= 1
            await self._write(principal, attempt, correlation)
            return
        window.last, window.counted = attempt, window.counted + 1

    async def close(self) -> None:
        """Write what was only counted so far."""
        for task in self._ending:
            task.cancel()
        for key in list(self._windows):
            await self._end(key)

    def _window(self, principal: Principal | None) -> _Window:
        key = principal.id if principal else ""
        if key not in self._windows:
            allowance = OF_A_PERSON if principal else OF_NOBODY
            self._windows[key] = _Window(principal, time.monotonic() + WINDOW_SECONDS, allowance)
            task = asyncio.create_task(self._end_later(key))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return self._windows[key]

    async def _end_later(self, key: str) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        await self._end(key)

    async def _end(self, key: str) -> None:
        window = self._windows.pop(key)
        if window.last is not None:
            reason = "More attempts than are recorded one by one; this was the last."
            summary = replace(window.last, reason=reason, times=window.counted)
            await self._write(window.principal, summary, None)

    async def _write(self, principal: Principal | None, attempt: Attempt, correlation: str | None) -> None:
        call = self._platform.system_call(correlation)
        try:
            await run_in_threadpool(
                record_refusal, self._platform.new_unit(), replace(call, principal=principal), attempt
            )
        except Exception:
            log.exception("a refusal could not be recorded: %s %s", attempt.method, attempt.path)
