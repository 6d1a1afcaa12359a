"""Stopping a recorded process, with everything that it started."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.records import Record, is_alive

_PARTING_SECONDS = 3.0
"""How long what a process leaves behind may take to notice and end by itself."""

_GIVE_UP_SECONDS = 20.0
_POLL_SECONDS = 0.02


def end(home: Path, record: Record, *, grace_seconds: float) -> bool:
    """SIGTERM, SIGKILL after the grace, then the same for what is left; False when nothing ran.

    Only processes are touched that the record proves to be ours. Raises PlatformError when one cannot be
    ended.
    """
    leader = record.process()
    family = _descendants(leader)
    if leader is not None:
        with suppress(psutil.NoSuchProcess):
            leader.terminate()
        if not _gone([leader], grace_seconds):
            family.update(_descendants(leader))
            with suppress(psutil.NoSuchProcess):
                leader.kill()
            _demand_gone([leader], record.name)
    family.update(record.marked())
    _end_all(family, record)
    record.forget(home)
    return leader is not None or bool(family)


def _descendants(leader: psutil.Process | None) -> set[psutil.Process]:
    if leader is None:
        return set()
    try:
        return set(leader.children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _end_all(family: set[psutil.Process], record: Record) -> None:
    """psutil compares creation times before it signals, so a pid that was given away meanwhile is safe."""
    if _gone(family, _PARTING_SECONDS):
        return
    family.update(record.marked())
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _demand_gone(family, record.name)


def _demand_gone(processes: Iterable[psutil.Process], name: str) -> None:
    if not _gone(processes, _GIVE_UP_SECONDS):
        left = ", ".join(str(process.pid) for process in processes if is_alive(process))
        raise PlatformError(f"These processes of {name} cannot be ended: {left}. End them and try again.")


def _gone(processes: Iterable[psutil.Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
