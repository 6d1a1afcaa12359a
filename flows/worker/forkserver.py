"""The worker's end of the fork server: start it, ask it for children, hear of their births and deaths."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flows.worker.handle import Child
from flows.worker.preloading import ONE_THREAD_EACH, PreloadRefusedError

_PROGRAM = "from flows.worker.forking import main; main()"


class ForkServerGoneError(Exception):
    """The fork server has ended, so it cannot fork any more."""


class ForkRefusedError(Exception):
    """The system has no room for another process."""


class ForkServer:
    """One running fork server. It ends when `close` is called or this process dies, never before its children."""

    def __init__(
        self, process: asyncio.subprocess.Process, control: socket.socket, on_gone: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.gone = False
        self._process = process
        self._control = control
        self._on_gone = on_gone
        self._ready: asyncio.Future[None] = loop.create_future()
        self._awaited: collections.deque[tuple[asyncio.Future[Child], socket.socket]] = collections.deque()
        self._children: dict[int, Child] = {}
        self._listening = loop.create_task(self._listen())

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, preload: Sequence[str], on_gone: Callable[[], None]) -> ForkServer:
        """Return when it has imported everything; `on_gone` is called when it has ended.

        Raises PreloadRefusedError or ForkServerGoneError.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *preload),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD_EACH},
            )
        server = cls(process, ours, on_gone)
        try:
            await server._ready
        except BaseException:
            await server.close()
            raise
        return server

    async def fork(self, request: bytes) -> Child:
        """A new child, SPARE or NOW. Raises ForkServerGoneError or ForkRefusedError."""
        if self.gone:
            raise ForkServerGoneError
        ours, theirs = socket.socketpair()
        birth: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        with theirs:
            try:
                socket.send_fds(self._control, [request], [theirs.fileno()])
            except OSError as cause:
                ours.close()
                raise ForkServerGoneError from cause
        self._awaited.append((birth, ours))
        return await birth

    async def close(self) -> None:
        """Hang up and wait until it has ended. It first sees its children off, killing them after their grace."""
        with contextlib.suppress(OSError):  # it has gone already
            self._control.shutdown(socket.SHUT_RDWR)
        await self._listening
        await self._process.wait()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        unfinished = b""
        try:
            while received := await loop.sock_recv(self._control, 65536):
                *lines, unfinished = (unfinished + received).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
        except OSError:
            pass  # the same news as an empty read
        finally:
            self._mourn()

    def _hear(self, report: dict[str, Any]) -> None:
        match report:
            case {"ready": _}:
                self._ready.set_result(None)
            case {"refused": reason}:
                self._ready.set_exception(PreloadRefusedError(reason))
            case {"born": pid}:
                birth, job_socket = self._awaited.popleft()
                child = self._children[pid] = Child(pid, job_socket)
                if birth.cancelled():
                    child.let_go()
                else:
                    birth.set_result(child)
            case {"unborn": reason}:
                birth, job_socket = self._awaited.popleft()
                job_socket.close()
                if not birth.cancelled():
                    birth.set_exception(ForkRefusedError(reason))
            case {"dead": pid, "code": code}:
                self._children.pop(pid).bury(code)

    def _mourn(self) -> None:
        """Nothing will be reported any more. Running children go on; their sockets tell when they end."""
        self._control.close()
        self.gone = True
        if not self._ready.done():
            self._ready.set_exception(ForkServerGoneError("the fork server ended while starting"))
        for birth, job_socket in self._awaited:
            job_socket.close()
            if not birth.done():
                birth.set_exception(ForkServerGoneError())
        self._awaited.clear()
        for child in self._children.values():
            child.watch_socket()
        self._children.clear()
        self._on_gone()
