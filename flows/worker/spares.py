"""Children kept ready: forked and warmed before there is work for them."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Sequence

from prefect.logging import get_logger

from flows.worker.forkserver import ForkRefusedError, ForkServer, ForkServerGoneError
from flows.worker.handle import Child
from flows.worker.job import NOW, SPARE
from flows.worker.preloading import PreloadRefusedError

_log = get_logger("worker.spares")

_PAUSE_SECONDS = 1.0
"""Before trying again what has just failed: a fork server that dies, a spare that dies unused."""


class Spares:
    """Up to `size` idle children, and the fork server they come from, which is replaced when it dies.

    Call `open`, then run `keep` beside everything else, and `close` at the end.
    """

    def __init__(self, preload: Sequence[str], size: int) -> None:
        self._preload = preload
        self._size = size
        self._idle: collections.deque[Child] = collections.deque()
        self._server: ForkServer | None = None
        self._served = asyncio.Event()
        self._attention = asyncio.Event()

    async def open(self) -> None:
        """Start the fork server. Raises PreloadRefusedError: a worker that can run nothing must not look healthy."""
        self._server = await ForkServer.start(self._preload, on_gone=self._on_server_gone)
        self._served.set()
        self._attention.set()
        _log.info("Fork server %s is ready", self._server.pid)

    async def keep(self) -> None:
        """Replace a fork server that died and fill up the spares, for ever."""
        while True:
            await self._attention.wait()
            self._attention.clear()
            try:
                if not self._served.is_set():
                    await self.open()
                while len(self._idle) < self._size:
                    if self._idle:  # no hurry: leave the processor to the run that has just begun
                        await asyncio.sleep(_PAUSE_SECONDS)
                    self._admit(await self._fork(SPARE))
            except (ForkServerGoneError, ForkRefusedError, PreloadRefusedError) as trouble:
                _log.error("Cannot prepare children: %s", trouble)
                await asyncio.sleep(_PAUSE_SECONDS)
                self._attention.set()

    async def take(self) -> Child:
        """A child that is nobody else's: a spare, or one forked now. Raises ForkRefusedError."""
        while True:
            while self._idle:
                child = self._idle.popleft()
                self._attention.set()
                if child.alive:
                    return child
            await self._served.wait()
            try:
                return await self._fork(NOW)
            except ForkServerGoneError:
                self._attention.set()

    def renew(self) -> None:
        """Replace the idle children, whose connections to the orchestrator may have died with it."""
        while self._idle:
            self._idle.popleft().let_go()
        self._attention.set()

    async def close(self) -> None:
        """Send the spares home and end the fork server, which first waits for running children to end."""
        self._size = 0
        self.renew()
        if self._server is not None:
            await self._server.close()

    async def _fork(self, request: bytes) -> Child:
        if self._server is None:
            raise ForkServerGoneError
        return await self._server.fork(request)

    def _admit(self, child: Child) -> None:
        self._idle.append(child)
        child.ended.add_done_callback(lambda _: self._on_idle_end(child))

    def _on_idle_end(self, child: Child) -> None:
        if child in self._idle:  # it has died unused
            self._idle.remove(child)
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._attention.set)

    def _on_server_gone(self) -> None:
        self._served.clear()
        self._attention.set()
