"""Starting the postmaster of an existing cluster and waiting until it answers, under the lock of its home."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.postgres_server import ports, processes
from storage.postgres_server.account import Account
from storage.postgres_server.binaries import Binaries
from storage.postgres_server.parameters import as_options, parameters
from storage.postgres_server.placement import Place
from storage.postgres_server.probe import Answer, ask
from storage.postgres_server.record import Record, load
from storage.postgres_server.server import PostgresServer, PostgresUnavailable

_ATTEMPTS = 8
_PAUSE_SECONDS = 0.25
# Crash recovery replays at most max_wal_size of log; a slow disk under load takes its time over that.
_READY_SECONDS = 180.0
_LOG_KEPT_BYTES = 10_000_000

# The shell ends at once, so the postmaster is nobody's child here and never becomes this process's zombie.
# `$!` is its process id. Arguments are passed as arguments: no path is ever parsed as shell.
_DETACH = 'exec "$@" </dev/null >&2 & echo $!'


def launch(place: Place, found: Binaries, programs: Path, account: Account) -> PostgresServer:
    """Start the server, or wait for one that a killed starter left starting; retry while a dead one leaves.

    Raises PostgresUnavailable with the end of the server's log when it does not come up.
    """
    begun_at = place.log.stat().st_size if place.log.exists() else 0
    remembered = load(place.record_file)
    for attempt in range(_ATTEMPTS):
        live = processes.postmaster(place.data, remembered.name)
        if live is not None:
            pid = live.pid
        else:
            if attempt > 0 or processes.left_pid_file(place.data):
                processes.clear_remains(place.data, remembered.name)
            remembered = _settle_port(place, remembered, found)
            pid = _spawn(place, remembered, programs, account)
        server = _wait_until_ready(place, remembered.name, pid)
        if server is not None:
            return server
        time.sleep(_PAUSE_SECONDS)
    raise PostgresUnavailable(
        f"PostgreSQL {found.version} ({found.source}) does not start in {place.data}. The end of "
        f"{place.log}:\n{_tail(place.log, begun_at)}"
    )


def _settle_port(place: Place, remembered: Record, found: Binaries) -> Record:
    """Keep the port of last time, or record another one when somebody else has taken that."""
    port = remembered.port if ports.is_free(remembered.port) else ports.free_port()
    current = remembered.started_with(found, port)
    if current != remembered:
        current.save(place.record_file)
    return current


def _spawn(place: Place, record: Record, programs: Path, account: Account) -> int:
    """Start a postmaster in a session of its own, with no descriptor of ours but its log; its process id."""
    options = as_options(parameters(record.name, record.port, record.major))
    with _log_for_appending(place.log) as log:
        started = account.run(
            ["/bin/sh", "-c", _DETACH, "sh", programs / "postgres", "-D", place.data, *options],
            stderr=log,
            new_session=True,
        )
    return int(started.stdout)


@contextmanager
def _log_for_appending(path: Path) -> Iterator[int]:
    """Opened here, not by the server's account; a log above 10 MB is kept once, as .1, and begun anew."""
    if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_until_ready(place: Place, name: str, pid: int) -> PostgresServer | None:
    """The server once it answers a query; None when the process ended instead."""
    deadline = time.monotonic() + _READY_SECONDS
    while processes.alive(pid):
        server = answering(place, name)
        if server is not None:
            return server
        if time.monotonic() > deadline:
            raise PostgresUnavailable(
                f"PostgreSQL (pid {pid}) runs in {place.data} but answers no query after "
                f"{_READY_SECONDS:.0f} s. It may still be recovering: see {place.log}, and try again."
            )
        time.sleep(0.005)
    return None


def answering(place: Place, name: str) -> PostgresServer | None:
    """The server of `place` if it answers a query at this moment.

    Having no connection left counts as an answer. Raises PostgresUnavailable when it refuses our password.
    """
    live = processes.postmaster(place.data, name)
    if live is None or not live.ready:
        return None
    password = place.password_file.read_text()
    answer = ask(live.port, password)
    if answer is Answer.WRONG_PASSWORD:
        raise PostgresUnavailable(
            f"PostgreSQL runs in {place.data} but refuses the password in {place.password_file}: it was "
            "changed in the database. Write the new one into that file, or change it back."
        )
    if answer is Answer.SILENT:
        return None
    return PostgresServer(live.pid, live.port, place.data, password)


def _tail(log: Path, begun_at: int) -> str:
    """What the server has said since `begun_at`, at most 3000 bytes."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(min(begun_at, size), size - 3000))
        return file.read().decode(errors="replace").strip()
