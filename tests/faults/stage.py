"""A platform whose parts can be killed: PostgreSQL, Prefect server, warm worker, each started and ended by the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from flows.worker import worker_command
from governance.errors import DependencyUnavailable
from governance.operations.launching import launch, reconcile
from governance.requests import TransitionRequest
from storage.audit_log.running import signing_key_of
from storage.composition import Platform, now
from storage.migrations import upgrade
from storage.postgres_server import PostgresServer, ensure_database, start
from storage.prefect_server import api_url, basic, client_environment, server_command, server_environment
from storage.settings import Settings, write_runtime
from tests.fixtures.registry import RegistryUnderTest

ROOT = Path(__file__).parents[2]
POOL = "stage"
AUTH = "stage:the secret of its Prefect server"


def eventually(what: str, condition: Callable[[], Any], *, seconds: float = 180.0) -> Any:
    """Wait for a condition; a database or server that is away counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError, DependencyUnavailable):
            if found := condition():
                return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


@dataclass
class Stage:
    """Everything in one directory. `registry` speaks to the same database as the flows do."""

    home: Path
    prefect_port: int
    postgres: PostgresServer
    registry: RegistryUnderTest
    control: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        return self.registry.platform

    @property
    def prefect(self) -> str:
        return api_url(self.prefect_port)

    def orchestrator(self) -> httpx.Client:
        """The Prefect server, for somebody who has its secret."""
        settings = self.platform.settings
        return httpx.Client(base_url=settings.prefect_api_url + "/", auth=basic(settings.prefect_auth), timeout=30)

    # -- parts

    def start_postgres(self) -> None:
        self.postgres = start(self.home)

    def start_prefect(self) -> None:
        database = self.postgres.url("prefect")
        environment = server_environment(
            home=self.home / "prefect", port=self.prefect_port, auth=AUTH, database_url=database
        )
        self._start("prefect", server_command(self.prefect_port), environment)
        eventually("the Prefect server's start", lambda: httpx.get(f"{self.prefect}/health").is_success)

    def start_worker(self) -> None:
        command = worker_command(
            POOL,
            preload=("flows.transitions", "tests.faults.crash_points"),
            name="stage-worker",
            limit=8,
            spares=2,
            poll_seconds=1.0,
            drain_seconds=1.0,
        )
        environment = {
            **client_environment(home=self.home / "prefect", port=self.prefect_port, auth=AUTH),
            "GATEHOUSE_HOME": str(self.home),
            "GATEHOUSE_CRASH_CONTROL": str(self.control),
            "GATEHOUSE_ORPHAN_SECONDS": "5",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self._start("worker", command, environment)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def alive(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def revive(self) -> None:
        """Start again whatever is dead, as `gatehouse up` would."""
        self.start_postgres()
        if not self.alive("prefect"):
            self.start_prefect()
        if not self.alive("worker"):
            self.start_worker()

    def victims(self, name: str) -> list[int]:
        """The pids that die when this part is killed."""
        pid = self.postgres.pid if name == "postgres" else self.processes[name].pid
        if name == "worker":
            return [pid]  # what it leaves behind has to end by itself
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            return [pid]

    def register(self) -> None:
        """The deployments of prefect.yaml, on this stage's pool, without their schedules."""
        with self.orchestrator() as client:
            for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
                flow = client.post("flows/", json={"name": entry["name"]}).raise_for_status().json()
                body = {
                    "name": entry["name"],
                    "flow_id": flow["id"],
                    "entrypoint": entry["entrypoint"],
                    "work_pool_name": POOL,
                    "parameter_openapi_schema": {"type": "object", "properties": {}},
                    "enforce_parameter_schema": False,
                }
                client.post("deployments/", json=body).raise_for_status()

    def stop(self) -> None:
        for process in self.processes.values():
            for pid in _tree(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    # -- requests

    def plan_crash(self, point: int, victim: list[int] | str) -> None:
        for name in ("spent", "log"):
            (self.home / name).unlink(missing_ok=True)
        plan = {"point": point, "victim": victim, "log": str(self.home / "log"), "spent": str(self.home / "spent")}
        draft = self.control.with_suffix(".draft")
        draft.write_text(json.dumps(plan))
        draft.replace(self.control)

    @property
    def crashed(self) -> bool:
        return (self.home / "spent").exists()

    def moments(self) -> list[str]:
        """Names of the moments of the first run since `plan_crash`."""
        lines = [line.split(" ", 2) for line in (self.home / "log").read_text().splitlines()]
        return [name for pid, _, name in lines if pid == lines[0][0]]

    def launch(self, request: TransitionRequest) -> None:
        """As the API does it: a failing orchestrator leaves the request for the reconciler."""
        with suppress(DependencyUnavailable):
            launch(self.platform.new_unit, self.platform.launcher, self.platform.system_call(), request)

    def look_after(self, request_id: str) -> TransitionRequest:
        """One pass of what keeps the platform going; the request as it is then."""
        if self.crashed:
            self.revive()
        with suppress(DependencyUnavailable):
            reconcile(
                self.platform.new_unit,
                self.platform.launcher,
                self.platform.system_call(),
                orphan_after=timedelta(seconds=1),
            )
        with self.platform.new_unit() as uow:
            return uow.requests.get(request_id)


def _tree(pid: int) -> list[int]:
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]


@contextmanager
def standing_stage(home: Path, port: int) -> Iterator[Stage]:
    """Everything started, and ended again. Other accounts may enter `home`: root runs PostgreSQL as another one."""
    postgres = start(home)
    for name in ("gatehouse", "prefect"):
        ensure_database(postgres.url("postgres"), name)
    url = postgres.url("gatehouse")
    write_runtime(
        home, {"database_url": url, "prefect_api_url": api_url(port), "prefect_auth": AUTH, "work_pool": POOL}
    )
    platform = Platform(Settings.load({"GATEHOUSE_HOME": str(home)}))
    stage: Stage | None = None
    try:
        upgrade(platform.engine)
        signing_key_of(platform)
        stage = Stage(home, port, postgres, RegistryUnderTest(platform, at=now()), home / "crash.json")
        stage.start_prefect()
        stage.start_worker()
        eventually(
            "the work pool", lambda: httpx.get(f"{api_url(port)}/work_pools/{POOL}", auth=basic(AUTH)).is_success
        )
        stage.register()
        yield stage
    finally:
        if stage is not None:
            stage.stop()
        platform.close()
