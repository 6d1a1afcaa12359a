"""The worker's hold on one child: its pid, its socket, and the news of its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable

from flows.worker.job import Job


class Child:
    """A forked process. `ended` resolves with its exit code (-n for signal n), or None when nobody could learn it."""

    def __init__(self, pid: int, job_socket: socket.socket) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._socket = job_socket
        self._stopping = False

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    def give(self, job: Job) -> None:
        """Hand over its one job. Raises OSError when the child has died meanwhile."""
        job.send(self._socket)

    def let_go(self) -> None:
        """Hang up. An idle child leaves; one that is running takes it that the worker has died."""
        if self._socket.fileno() >= 0:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def bury(self, code: int | None) -> None:
        if self.alive:
            self.ended.set_result(code)

    def watch_socket(self) -> None:
        """Learn of the end from the socket, now that there is no fork server to tell: a child never writes to it."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._socket, self._on_hangup)
        else:
            self.bury(None)

    def _on_hangup(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        _send_signal(os.killpg, self.pid, signal.SIGKILL)  # what it started; the fork server does this otherwise
        self.bury(None)

    async def cancel(self, grace_seconds: float) -> None:
        """Have the run end as cancelled."""
        await self._stop(lambda: _send_signal(os.kill, self.pid, signal.SIGUSR1), grace_seconds)

    async def dismiss(self, grace_seconds: float) -> None:
        """Have the run end as crashed, exactly as if this worker had died."""
        await self._stop(lambda: self._socket.shutdown(socket.SHUT_WR), grace_seconds)

    async def _stop(self, ask: Callable[[], None], grace_seconds: float) -> None:
        """Ask, wait, then kill the group. Asking twice would interrupt the reaction to the first request."""
        if self._stopping or not self.alive:
            return
        self._stopping = True
        with contextlib.suppress(OSError):
            ask()
        _, pending = await asyncio.wait([self.ended], timeout=grace_seconds)
        if pending:
            _send_signal(os.killpg, self.pid, signal.SIGKILL)


def _send_signal(send: Callable[[int, int], None], pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, how)
