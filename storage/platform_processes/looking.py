"""`gatehouse status`: what runs, since when, with how much memory, and whether it answers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from storage import postgres_server
from storage.platform_processes import answers, commands
from storage.platform_processes.errors import PlatformError
from storage.platform_processes.home import admin_password_file, admin_token_file
from storage.platform_processes.memory import proportional_set_size
from storage.platform_processes.records import Record
from storage.platform_processes.runtime import Runtime
from storage.postgres_server import PostgresUnavailable
from storage.settings import Settings

PARTS = ("postgres", "prefect", "worker", "api")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """memory: PSS of the process and its descendants, MB. A foreign PostgreSQL has neither pid nor memory
    here.
    """

    pid: int | None = None
    running: bool = False
    healthy: bool = False
    memory_mb: float | None = None
    since: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "pid": self.pid,
            "running": self.running,
            "healthy": self.healthy,
            "memoryMb": self.memory_mb,
            "since": self.since,
        }


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """Addresses are None before the first `up`."""

    home: Path
    api_url: str | None
    dashboard_url: str | None
    processes: Mapping[str, PartStatus]

    @property
    def healthy(self) -> bool:
        return all(part.healthy for part in self.processes.values())

    @property
    def admin_token_file(self) -> Path | None:
        path = admin_token_file(self.home)
        return path if path.exists() else None

    @property
    def admin_password_file(self) -> Path | None:
        """For `/sign-in`, with the name `admin`; it is there until somebody removes it."""
        path = admin_password_file(self.home)
        return path if path.exists() else None

    def to_json(self) -> dict[str, Any]:
        return {
            "apiUrl": self.api_url,
            "dashboardUrl": self.dashboard_url,
            "adminTokenFile": str(self.admin_token_file) if self.admin_token_file else None,
            "adminPasswordFile": str(self.admin_password_file) if self.admin_password_file else None,
            "home": str(self.home),
            "processes": {name: part.to_json() for name, part in self.processes.items()},
            "healthy": self.healthy,
        }


def demand_platform(settings: Settings) -> Settings:
    """The same settings. Raises PlatformError where no platform was ever started."""
    if not settings.database_url:
        raise PlatformError(f"There is no platform in {settings.home} yet: gatehouse up makes one.")
    return settings


def look(settings: Settings) -> PlatformStatus:
    """Changes nothing and waits for nothing; takes as long as the slowest part takes to answer, at most about
    5 s.
    """
    home, runtime = settings.home, Runtime.load(settings.home)
    with ThreadPoolExecutor(len(PARTS)) as pool:
        parts = dict(zip(PARTS, pool.map(lambda name: _look_at(name, home, runtime), PARTS), strict=True))
    return PlatformStatus(
        home=home,
        api_url=settings.api_url if runtime is not None else None,
        dashboard_url=settings.dashboard_url if runtime is not None else None,
        processes=parts,
    )


def _look_at(name: str, home: Path, runtime: Runtime | None) -> PartStatus:
    if name == "postgres":
        return _foreign(runtime) if runtime is not None and runtime.postgres == "foreign" else _embedded(home)
    record = Record.load(home, name)
    process = record.process() if record is not None else None
    if record is None or process is None:
        return PartStatus()
    return _described(process, runtime is not None and _answers(name, record, runtime))


def _answers(name: str, record: Record, runtime: Runtime) -> bool:
    if name == "prefect":
        return answers.prefect_answers(runtime.prefect_api_url, runtime.prefect_auth)
    if name == "api":
        return answers.api_answers(f"http://{commands.HOST}:{runtime.api_port}")
    since = record.created or 0.0
    return answers.worker_serves(
        runtime.prefect_api_url, runtime.prefect_auth, runtime.work_pool, answers.worker_name(), since
    )


def _foreign(runtime: Runtime) -> PartStatus:
    answered = answers.database_answers(runtime.database_url)
    return PartStatus(running=answered, healthy=answered)


def _embedded(home: Path) -> PartStatus:
    try:
        server = postgres_server.running(home)
        return _described(psutil.Process(server.pid), True) if server is not None else PartStatus()
    except (PostgresUnavailable, psutil.NoSuchProcess):
        return PartStatus()


def _described(process: psutil.Process, healthy: bool) -> PartStatus:
    try:
        since = datetime.fromtimestamp(process.create_time(), UTC).isoformat(timespec="seconds")
    except psutil.NoSuchProcess:
        return PartStatus()
    memory = round(proportional_set_size(process) / 1e6, 1)
    return PartStatus(process.pid, True, healthy, memory, since.replace("+00:00", "Z"))
