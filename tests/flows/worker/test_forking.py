"""The fork server by itself: nothing of it outlives the one who holds its socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from flows.worker.job import NOW
from flows.worker.preloading import ONE_THREAD_EACH
from tests.flows.worker.orchestrator import eventually
from tests.flows.worker.processes import REPOSITORY, is_running

UNREACHABLE = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "DO_NOT_TRACK": "1"}


@pytest.fixture
def control() -> Iterator[tuple[socket.socket, psutil.Process]]:
    """The worker's end of a fork server's socket, and the fork server."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", "from flows.worker.forking import main; main()", str(theirs.fileno()), "json"],
            pass_fds=[theirs.fileno()],
            cwd=REPOSITORY,
            env={**os.environ, **ONE_THREAD_EACH, **UNREACHABLE},
        )
    yield ours, psutil.Process(process.pid)
    ours.close()
    process.kill()
    process.wait()


def _ask(control: socket.socket) -> socket.socket:
    """Ask for a child; returns our end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(control, [NOW], [theirs.fileno()])
    return ours


def test_births_and_deaths_are_told(control: tuple[socket.socket, psutil.Process]) -> None:
    ours, _ = control
    reports = ours.makefile("r")
    assert "ready" in json.loads(reports.readline())
    first, second = _ask(ours), _ask(ours)
    pids = [json.loads(reports.readline())["born"] for _ in range(2)]
    psutil.Process(pids[0]).kill()
    assert json.loads(reports.readline()) == {"dead": pids[0], "code": -9}
    second.close()  # sends it home
    assert json.loads(reports.readline()) == {"dead": pids[1], "code": 0}
    first.close()


def test_nothing_is_left_when_the_worker_dies_without_having_read(
    control: tuple[socket.socket, psutil.Process],
) -> None:
    """Closing a socket with unread data is an error at the other end rather than an end of file."""
    ours, fork_server = control
    job_sockets = [_ask(ours), _ask(ours)]
    children = eventually(lambda: _two(fork_server.children()))
    eventually(lambda: b"born" in ours.recv(4096, socket.MSG_PEEK))
    with job_sockets[1]:  # held open, so that its child does not learn of it and can only be killed
        for one in (ours, job_sockets[0]):
            one.close()
        eventually(lambda: not any(is_running(one) for one in (fork_server, *children)))


def _two(children: list[psutil.Process]) -> list[psutil.Process]:
    return children if len(children) == 2 else []
