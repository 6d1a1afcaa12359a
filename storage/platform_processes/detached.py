"""Starting a process that outlives its starter: own session, no terminal, no descriptor but its log."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.home import log_file
from storage.platform_processes.records import MARK, Record

_LOG_KEPT_BYTES = 10_000_000
_TAIL_BYTES = 3000


class _Outliving(subprocess.Popen[bytes]):
    """Python would complain about a child that still runs when its handle goes; these are meant to."""

    def __del__(self) -> None:
        pass


_started: list[_Outliving] = []
"""Kept, so that those which end while we live are reaped."""


def launch(
    home: Path, name: str, command: Sequence[str], environment: Mapping[str, str], fingerprint: str, cwd: Path
) -> Record:
    """Start a process and record it. Secrets belong into `environment`: everybody may read a command line.

    Raises PlatformError when the program cannot be executed.
    """
    record = Record.new(name, fingerprint)
    record.save(home)
    _reap()
    try:
        with log_for_appending(log_file(home, name)) as log:
            process = _Outliving(
                list(command),
                env={**environment, MARK: record.mark},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
                umask=0o077,
            )
    except OSError as error:
        record.forget(home)
        raise PlatformError(f"Cannot start {name} ({command[0]}): {error.strerror or error}.") from error
    _started.append(process)
    record = record.running_as(process.pid)
    record.save(home)
    return record


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]


@contextmanager
def log_for_appending(path: Path) -> Iterator[int]:
    """A log above 10 MB is kept once, as .1, and begun anew."""
    if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def tail(path: Path, since: int = 0) -> str:
    """The end of a log, from byte `since` on at the earliest."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(min(since, end), end - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
