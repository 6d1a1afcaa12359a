"""What is known of a started process, kept in `<home>/processes/<name>.json`.

A process id proves nothing: after a restart of the machine or a day of work it is somebody else's. A process
is ours when it was created at the recorded moment, or when its environment carries the random mark that it
was started with. The mark is recorded before the start, so a process whose starter died at once is ours too;
and since children inherit it, it finds what a killed process has left behind.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import psutil

from storage.platform_processes.home import records, write_private

MARK = "GATEHOUSE_PROCESS"
"""The environment variable that carries the mark."""

# Rounding only. A stepped clock shifts all creation times on some systems; then the mark decides.
_SAME_MOMENT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Record:
    """`fingerprint` is a digest of what it was started with. pid and created (Unix time, s) are None until it
    runs.
    """

    name: str
    mark: str
    fingerprint: str
    pid: int | None = None
    created: float | None = None

    @classmethod
    def new(cls, name: str, fingerprint: str) -> Self:
        return cls(name, f"{name}-{secrets.token_hex(8)}", fingerprint)

    @classmethod
    def load(cls, home: Path, name: str) -> Self | None:
        try:
            return cls(**json.loads(_file(home, name).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, home: Path) -> None:
        write_private(_file(home, self.name), json.dumps(asdict(self), indent=2) + "\n")

    def forget(self, home: Path) -> None:
        _file(home, self.name).unlink(missing_ok=True)

    def running_as(self, pid: int) -> Self:
        return replace(self, pid=pid, created=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The live process of this record; never somebody else's, never a zombie."""
        if self.pid is None or self.created is None:
            return None
        try:
            process = psutil.Process(self.pid)
            same_moment = abs(process.create_time() - self.created) < _SAME_MOMENT_SECONDS
            return process if is_alive(process) and (same_moment or _has_mark(process, self.mark)) else None
        except psutil.Error:
            return None

    def marked(self) -> list[psutil.Process]:
        """Every live process that was started with this record's mark or by one that was."""
        return [process for process in psutil.process_iter() if _has_mark(process, self.mark) and is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead, also where nobody reaps it for a while (containers)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):  # another account's, or gone meanwhile
        return False


def _file(home: Path, name: str) -> Path:
    return records(home) / f"{name}.json"
