"""Worker processes under test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from flows.worker import worker_command
from tests.fixtures.prefect_server import PrefectServer
from tests.flows.worker.orchestrator import SAMPLES, eventually

REPOSITORY = Path(__file__).parents[3]

NEVER = 3600.0
"""A polling interval that no test lives to see: whatever happens was caused by an event."""


class WorkerProcess:
    """A warm worker started as its users start it."""

    def __init__(
        self,
        server: PrefectServer,
        log: Path,
        *,
        pool: str,
        name: str = "under-test",
        preload: Sequence[str] = (SAMPLES,),
        limit: int = 10,
        spares: int = 1,
        poll_seconds: float = NEVER,
        drain_seconds: float = 1.0,
        program: str | None = None,
    ) -> None:
        command = worker_command(
            pool,
            preload=preload,
            name=name,
            limit=limit,
            spares=spares,
            poll_seconds=poll_seconds,
            drain_seconds=drain_seconds,
        )
        if program is not None:
            command[2] = program
        self.pool, self.name, self.log = pool, name, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=server.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._seen: set[psutil.Process] = set()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def fork_server(self) -> psutil.Process:
        """Waited for, as it may just be starting."""
        found = eventually(lambda: psutil.Process(self.process.pid).children())
        assert len(found) == 1
        return found[0]

    def descendants(self) -> set[psutil.Process]:
        """Everything it has started so far that still lives, even when it has died itself."""
        if self.alive:
            self._seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        return {one for one in self._seen if is_running(one)}

    def expect_nothing_left(self) -> None:
        """Every process it has ever started ends soon."""
        try:
            eventually(lambda: not self.descendants())
        except AssertionError:
            left = [one.as_dict(["pid", "ppid", "status", "cmdline", "num_threads"]) for one in self.descendants()]
            raise AssertionError(f"still there: {left}\n{self.log.read_text()[-6000:]}") from None

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.descendants()
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """For the end of a test: stop it somehow, and every process it has left."""
        self.descendants()
        self.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        for left in self.descendants():
            left.kill()


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and is_running(psutil.Process(pid))


def pid_in(mark: Path) -> int:
    """The pid a sample flow left in its mark; waited for."""
    eventually(mark.exists)
    return int(mark.read_text())


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
