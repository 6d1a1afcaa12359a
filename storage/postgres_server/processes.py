"""The server's processes, known by the cluster's name, which all of them carry in their title.

A process id alone proves nothing: postmaster.pid may name a zombie (its parent reaps late, usual in
containers) or, after a restart of the machine or container, somebody else's process; PostgreSQL refuses to
start for both. The title is used because everybody may read it; root without CAP_SYS_PTRACE, usual in
containers too, may not read the working directory of another account's process.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from storage.postgres_server.server import PostgresUnavailable

# After the postmaster is gone its children notice and leave by themselves; one busy in a long query does not.
_QUIT_AFTER_SECONDS, _KILL_AFTER_SECONDS, _GIVE_UP_AFTER_SECONDS = 2.0, 6.0, 20.0
_PORT_LINE = 3  # of postmaster.pid, counted from 0 (PostgreSQL's pidfile.h)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live postmaster; `ready` is its own claim, necessary but no proof (see `probe`)."""

    pid: int
    port: int
    ready: bool


def postmaster(data: Path, name: str) -> Postmaster | None:
    """The live postmaster of `data`, whose cluster is called `name`; None when its file names none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        found = Postmaster(int(lines[0]), int(lines[_PORT_LINE]), lines[-1].strip() == "ready")
    except (
        FileNotFoundError,
        ValueError,
        IndexError,
    ):  # unfinished: its writer is at it, or dead
        return None
    return found if _is_of(found.pid, data, name) else None


def _is_of(pid: int, data: Path, name: str) -> bool:
    """Whether `pid` is a live process of this cluster. A zombie has no title any more."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        if f"cluster_name={name}" in words or " ".join(words).startswith(f"postgres: {name}"):
            return True
        return process.cwd() == str(data)  # a server that a person started by hand, without our parameters
    except psutil.Error:
        return False


def alive(pid: int) -> bool:
    """Whether `pid` still runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def remaining(data: Path, name: str) -> list[psutil.Process]:
    """Every live process of the server."""
    return [process for process in psutil.process_iter() if _is_of(process.pid, data, name)]


def clear_remains(data: Path, name: str) -> None:
    """Make way for a new server once its postmaster is dead: see its children gone, and drop its pid file.

    Orphans are ended as PostgreSQL ends them in a crash (SIGQUIT, then SIGKILL): recovery replays what they
    had committed. Raises PostgresUnavailable if one of them cannot be ended.
    """
    begun = time.monotonic()
    while orphans := remaining(data, name):
        waited = time.monotonic() - begun
        if waited > _GIVE_UP_AFTER_SECONDS:
            raise PostgresUnavailable(
                f"Processes of a dead PostgreSQL still use {data} and cannot be ended: "
                f"{', '.join(str(orphan.pid) for orphan in orphans)}. End them and try again."
            )
        if waited > _QUIT_AFTER_SECONDS:
            for orphan in orphans:
                with suppress(psutil.NoSuchProcess):
                    orphan.send_signal(signal.SIGKILL if waited > _KILL_AFTER_SECONDS else signal.SIGQUIT)
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def left_pid_file(data: Path) -> bool:
    """Whether a server of `data` runs, or ended without cleaning up."""
    return (data / "postmaster.pid").exists()


def wait_for_end(pid: int, seconds: float) -> bool:
    """Wait until `pid` is gone or a zombie; False when it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
