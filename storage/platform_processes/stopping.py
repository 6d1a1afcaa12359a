"""`gatehouse down`: everything of a home is stopped, whoever uses something before whatever it uses."""

from __future__ import annotations

from pathlib import Path

from storage import postgres_server
from storage.platform_processes.commands import GRACE_SECONDS
from storage.platform_processes.ending import end
from storage.platform_processes.home import exclusive
from storage.platform_processes.records import Record
from storage.platform_processes.steps import Steps, step

_NAMES = {"api": "API", "worker": "Worker", "prefect": "Prefect server"}


def stop_platform(home: Path, steps: Steps, *, keep_database: bool = False) -> bool:
    """False when nothing ran. The worker lets running flows finish for a while; what it cuts off is taken up
    again after the next start. Raises PlatformError, PostgresUnavailable.
    """
    if not home.is_dir():
        return False
    with exclusive(home, steps):
        ran = [_stop(home, name, steps) for name in _NAMES]
        if not keep_database:
            with step(steps, "PostgreSQL") as outcome:
                stopped = postgres_server.stop(home)
                outcome.words = _words(stopped)
            ran.append(stopped)
    return any(ran)


def _stop(home: Path, name: str, steps: Steps) -> bool:
    with step(steps, _NAMES[name]) as outcome:
        record = Record.load(home, name)
        ran = record is not None and end(home, record, grace_seconds=GRACE_SECONDS[name])
        outcome.words = _words(ran)
    return ran


def _words(ran: bool) -> str:
    return "stopped" if ran else "was not running"
