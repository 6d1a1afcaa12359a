"""Start, find and stop the server of a state directory.

`start` is idempotent and safe to call from any number of processes: the first one under the lock starts the
server, the others find it. The server outlives its starter, its starter's process group and its terminal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from storage.postgres_server import files, placement, processes
from storage.postgres_server.account import account_for
from storage.postgres_server.binaries import choose
from storage.postgres_server.creation import create, remove_leftovers
from storage.postgres_server.launch import answering, launch
from storage.postgres_server.placement import Place
from storage.postgres_server.record import load
from storage.postgres_server.relocation import reachable
from storage.postgres_server.server import PostgresServer, PostgresUnavailable

_LOCK_SECONDS = 240.0
_FAST_STOP_SECONDS = 60.0
_IMMEDIATE_STOP_SECONDS = 30.0


def start(home: Path, *, binaries: Path | None = None, account: str = "nobody") -> PostgresServer:
    """The running server of `home`, started (and on the first call made) if need be.

    `binaries` is a directory of PostgreSQL programs to use instead of the ones found; `account` is whom root
    runs the server as. Neither touches a server that already runs. Raises PostgresUnavailable.
    """
    home = _canonical(home)
    with _explained(home):
        placement.prepare_home(home)
        if (server := _answering(home)) is not None:
            return server
        with files.exclusive(placement.lock_file(home), patience_seconds=_LOCK_SECONDS):
            return _answering(home) or _start_locked(home, binaries, account)


def running(home: Path) -> PostgresServer | None:
    """The server of `home` if it answers a query now; never starts or repairs anything."""
    home = _canonical(home)
    with _explained(home):
        return _answering(home)


def stop(home: Path, *, mode: Literal["fast", "immediate"] = "fast") -> bool:
    """Stop the server of `home` and wait until no process of it is left. False when none was running.

    "fast" ends sessions and writes everything out; "immediate" is a crash on purpose, repaired at the next
    start. Acknowledged commits survive both. A fast stop that takes over a minute becomes an immediate one.
    """
    home = _canonical(home)
    with _explained(home):
        if placement.find(home) is None:
            return False
        with files.exclusive(placement.lock_file(home), patience_seconds=_LOCK_SECONDS):
            place = placement.find(home)
            return place is not None and _stop_place(place, mode)


def _canonical(home: Path) -> Path:
    return home.expanduser().resolve()


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    """Turn what the operating system refuses (rights, full disk, read-only) into a sentence."""
    try:
        yield
    except OSError as error:
        where = error.filename or home
        raise PostgresUnavailable(
            f"Cannot use the state directory {home}: {where}: {error.strerror or error}. Use the account "
            "that made it, or choose a directory that this account may write, with free space (--home DIR)."
        ) from error


def _answering(home: Path) -> PostgresServer | None:
    place = placement.find(home)
    if place is None or not place.made:
        return None
    return answering(place, load(place.record_file).name)


def _start_locked(home: Path, binaries: Path | None, account_name: str) -> PostgresServer:
    place = placement.find(home)
    if place is None:
        return _first_start(home, binaries, account_name)
    placement.demand_made(home, place)
    remove_leftovers(place)
    account = account_for(account_name, place.data)
    placement.demand_reachable(place.root, account)
    major = int((place.data / "PG_VERSION").read_text())
    found = choose(binaries, major=major, cluster=place.data)
    return launch(place, found, reachable(found, account, place.root), account)


def _first_start(home: Path, binaries: Path | None, account_name: str) -> PostgresServer:
    account = account_for(account_name, home / "postgres" / "data")
    found = choose(binaries, major=None, cluster=home)
    place = placement.choose(home, account)
    if place.made:
        _stop_place(place, "fast")
        placement.set_aside(place, home)
    placement.make(place, account)
    remove_leftovers(place)
    programs = reachable(found, account, place.root)
    create(place, found, programs, account)
    placement.point_at(home, place)
    return launch(place, found, programs, account)


def _stop_place(place: Place, mode: Literal["fast", "immediate"]) -> bool:
    if not place.made or not processes.left_pid_file(place.data):
        return False
    name = load(place.record_file).name
    live = processes.postmaster(place.data, name)
    if live is not None:
        _end(live.pid, place, mode)
    processes.clear_remains(place.data, name)
    return live is not None


def _end(pid: int, place: Place, mode: Literal["fast", "immediate"]) -> None:
    """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one."""
    if mode == "fast":
        os.kill(pid, signal.SIGINT)
        if processes.wait_for_end(pid, _FAST_STOP_SECONDS):
            return
    os.kill(pid, signal.SIGQUIT)
    if not processes.wait_for_end(pid, _IMMEDIATE_STOP_SECONDS):
        raise PostgresUnavailable(
            f"PostgreSQL (pid {pid}, {place.data}) does not stop. See {place.log}; ending it with SIGKILL "
            "loses nothing that was committed."
        )
