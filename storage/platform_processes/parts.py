"""One process of the platform, and how it is brought to run."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from storage.platform_processes import detached
from storage.platform_processes.ending import end
from storage.platform_processes.environment import ROOT
from storage.platform_processes.errors import AbandonedError, PlatformError
from storage.platform_processes.home import log_file
from storage.platform_processes.records import Record

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """`own` are the variables that only this process gets, on top of `environment`.

    depends_on: whatever it reads at its start and nowhere else; when this, `own` or the command changes, a
    running process is replaced. ready: whether it answers, asked while it is alive.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    own: Mapping[str, str] = field(repr=False)
    depends_on: Sequence[str] = field(repr=False)
    ready: Callable[[Record], bool]
    patience_seconds: float
    grace_seconds: float

    @property
    def fingerprint(self) -> str:
        content = json.dumps([list(self.command), sorted(self.own.items()), list(self.depends_on)])
        return hashlib.sha256(content.encode()).hexdigest()


def ensure(home: Path, part: Part, abandoned: threading.Event) -> Literal["running", "started", "restarted"]:
    """Leave a process alone that runs as it should and answers; start, or replace, any other.

    Raises PlatformError with the end of its log when it does not come up, AbandonedError when `abandoned` was
    set.
    """
    record = Record.load(home, part.name)
    found = record.process() if record is not None else None
    if record is not None:
        if found is not None and record.fingerprint == part.fingerprint and _comes_up(part, record, abandoned):
            return "running"
        end(home, record, grace_seconds=part.grace_seconds)
    log = log_file(home, part.name)
    before = detached.size(log)
    record = detached.launch(home, part.name, part.command, {**part.environment, **part.own}, part.fingerprint, ROOT)
    if not _comes_up(part, record, abandoned):
        alive = record.process() is not None
        what = f"does not answer after {part.patience_seconds:.0f} s" if alive else "ended while it was starting"
        raise PlatformError(f"{part.name} {what}. The end of {log}:\n{detached.tail(log, before)}")
    return "started" if found is None else "restarted"


def _comes_up(part: Part, record: Record, abandoned: threading.Event) -> bool:
    deadline = time.monotonic() + part.patience_seconds
    while record.process() is not None and time.monotonic() < deadline:
        if part.ready(record):
            return True
        if abandoned.wait(_POLL_SECONDS):
            raise AbandonedError(f"{part.name} was not waited for.")
    return False
