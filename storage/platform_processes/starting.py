"""`gatehouse up`: everything that should run, runs; what runs already is left alone.

    home, ports ── PostgreSQL ─┬─ schema ── administrator ── API
                               ├─ Prefect server ── deployments
                               └─ worker (waits for the Prefect server by itself)

Each start finds the state that the last one, however it ended, left behind, and completes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from storage import migrations, prefect_server
from storage.composition import Platform
from storage.platform_processes import answers, commands, databases, ports
from storage.platform_processes import home as places
from storage.platform_processes.administrator import ensure_administrator
from storage.platform_processes.deployments import Registration
from storage.platform_processes.environment import ONE_THREAD_EACH, base
from storage.platform_processes.errors import AbandonedError, PlatformError
from storage.platform_processes.parts import Part, ensure
from storage.platform_processes.records import Record
from storage.platform_processes.runtime import Runtime
from storage.platform_processes.steps import Steps, step
from storage.postgres_server.ports import free_port, is_free
from storage.settings import Settings

DEFAULT_PORT = 8000

_PATIENCE_SECONDS = {"api": 120.0, "prefect": 240.0, "worker": 300.0}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for. environment: the caller's. port, worker: None for what it was last time."""

    home: Path
    environment: Mapping[str, str] = field(repr=False)
    port: int | None = None
    worker: str | None = None


def start_platform(wish: Wish, steps: Steps) -> Runtime:
    """Raises PlatformError, PostgresUnavailable, SettingsError."""
    if wish.environment.get("GATEHOUSE_PREFECT_API_URL"):
        raise PlatformError(
            "GATEHOUSE_PREFECT_API_URL is set, but this command runs a Prefect server of its own. Unset it; "
            "workers on other machines are started with `prefect worker start`."
        )
    settings = Settings.load(wish.environment, wish.home)
    places.prepare(settings.home)
    with places.exclusive(settings.home, steps):
        return _Start(wish, settings, steps).run()


class _Start:
    """One start, under the lock of its home."""

    def __init__(self, wish: Wish, settings: Settings, steps: Steps) -> None:
        self._wish = wish
        self._settings = settings
        self._steps = steps
        self._home = settings.home
        self._environment = base(wish.environment, settings.home)
        self._abandoned = threading.Event()

    def run(self) -> Runtime:
        remembered = Runtime.load(self._home)
        api_port = self._api_port(remembered)
        with step(self._steps, "PostgreSQL") as outcome:
            said = databases.named(
                self._wish.environment.get("GATEHOUSE_DATABASE_URL", ""),
                self._wish.environment.get("GATEHOUSE_PREFECT_DATABASE_URL", ""),
                remembered,
            )
            opened = databases.open_databases(self._home, said)
            outcome.words = "ready" if opened.server == "embedded" else "ready (not ours to start or stop)"
        runtime = self._decide(remembered, api_port, opened)
        runtime.save(self._home)
        self._at_once(lambda: self._serve(runtime), lambda: self._orchestrate(runtime), lambda: self._work(runtime))
        return runtime

    # ------------------------------------------------------------------ what will be where

    def _api_port(self, remembered: Runtime | None) -> int:
        """Raises PlatformError when somebody else has the port that was asked for."""
        last = remembered.api_port if remembered is not None else None
        port = self._wish.port or last or DEFAULT_PORT
        if not (port == last and self._runs("api")):
            ports.demand_free(port)
        return port

    def _prefect_port(self, remembered: Runtime | None) -> int:
        if remembered is not None and (self._runs("prefect") or is_free(remembered.prefect_port)):
            return remembered.prefect_port
        return free_port()

    def _runs(self, name: str) -> bool:
        record = Record.load(self._home, name)
        return record is not None and record.process() is not None

    def _decide(self, remembered: Runtime | None, api_port: int, opened: databases.Databases) -> Runtime:
        prefect_port = self._prefect_port(remembered)
        prefect_api_url = prefect_server.api_url(prefect_port)
        api_url = f"http://{commands.HOST}:{api_port}"
        return Runtime(
            database_url=opened.gatehouse,
            prefect_api_url=prefect_api_url,
            prefect_auth=(remembered.prefect_auth if remembered else "") or prefect_server.new_auth(),
            api_url=api_url,
            dashboard_url=(self._wish.environment.get("GATEHOUSE_API_URL") or api_url).rstrip("/")
            + prefect_server.UI_BASE,
            work_pool=self._settings.work_pool,
            worker=self._wish.worker or self._settings.worker,
            postgres=opened.server,
            prefect_database_url=opened.prefect,
            api_port=api_port,
            prefect_port=prefect_port,
        )

    # ------------------------------------------------------------------ the three lines of the picture above

    def _serve(self, runtime: Runtime) -> None:
        platform = Platform(Settings.load(self._environment, self._home), pool_size=2)
        try:
            with step(self._steps, "Database schema") as outcome:
                _migrate(platform)
                outcome.words = "up to date"
            with step(self._steps, "Administrator") as outcome:
                outcome.words = "created" if ensure_administrator(platform) else "known"
        finally:
            platform.engine.dispose()
        with step(self._steps, "API") as outcome:
            outcome.words = ensure(self._home, self._api_part(runtime), self._abandoned)

    def _orchestrate(self, runtime: Runtime) -> None:
        with step(self._steps, "Prefect server") as outcome:
            outcome.words = ensure(self._home, self._prefect_part(runtime), self._abandoned)
        with step(self._steps, "Flows") as outcome:
            registration = Registration(
                home=self._home,
                prefect_api_url=runtime.prefect_api_url,
                prefect_auth=runtime.prefect_auth,
                pool=runtime.work_pool,
                pool_type=commands.WARM_POOL_TYPE if runtime.worker == "warm" else commands.STOCK_POOL_TYPE,
                environment={**self._environment, **self._prefect_client(runtime)},
                nightly=(self._settings.nightly_cron, self._settings.nightly_timezone),
            )
            outcome.words = "registered" if registration.ensure(self._abandoned) else "registered already"

    def _work(self, runtime: Runtime) -> None:
        with step(self._steps, "Worker") as outcome:
            outcome.words = ensure(self._home, self._worker_part(runtime), self._abandoned)

    def _at_once(self, *lines: Callable[[], None]) -> None:
        """Run all; the first failure stops the others' waiting and is raised. What they started goes on
        running.
        """
        with ThreadPoolExecutor(len(lines), thread_name_prefix="up") as pool:
            futures: list[Future[None]] = [pool.submit(line) for line in lines]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                if not all(future.done() and future.exception() is None for future in futures):
                    self._abandoned.set()
        failures = [error for future in futures if (error := future.exception()) is not None]
        if failures:
            raise next((error for error in failures if not isinstance(error, AbandonedError)), failures[0])

    # ------------------------------------------------------------------ the three processes

    def _part(
        self,
        name: str,
        command: list[str],
        own: Mapping[str, str],
        depends_on: list[str],
        ready: Callable[[Record], bool],
    ) -> Part:
        return Part(
            name=name,
            command=command,
            environment=self._environment,
            own=own,
            depends_on=depends_on,
            ready=ready,
            patience_seconds=_PATIENCE_SECONDS[name],
            grace_seconds=commands.GRACE_SECONDS[name],
        )

    def _prefect_client(self, runtime: Runtime) -> dict[str, str]:
        directory = places.prefect_directory(self._home)
        return prefect_server.client_environment(home=directory, port=runtime.prefect_port, auth=runtime.prefect_auth)

    def _prefect_part(self, runtime: Runtime) -> Part:
        own = prefect_server.server_environment(
            home=places.prefect_directory(self._home),
            port=runtime.prefect_port,
            auth=runtime.prefect_auth,
            database_url=runtime.prefect_database_url,
        )
        command = prefect_server.server_command(runtime.prefect_port)

        def ready(_: Record) -> bool:
            return answers.prefect_answers(runtime.prefect_api_url, runtime.prefect_auth)

        return self._part("prefect", command, own, [], ready)

    def _worker_part(self, runtime: Runtime) -> Part:
        name, pool, limit = answers.worker_name(), runtime.work_pool, self._settings.worker_limit
        if runtime.worker == "warm":
            command = commands.warm_worker(pool, name=name, limit=limit, spares=self._settings.worker_spares)
        else:
            command = commands.stock_worker(pool, name=name, limit=limit)
        own = {**self._prefect_client(runtime), **ONE_THREAD_EACH}

        def ready(record: Record) -> bool:
            return answers.worker_serves(
                runtime.prefect_api_url, runtime.prefect_auth, pool, name, record.created or 0.0
            )

        # The public addresses are read anew by every run's process, so a change of them needs no restart here.
        return self._part("worker", command, own, [runtime.database_url], ready)

    def _api_part(self, runtime: Runtime) -> Part:
        url = f"http://{commands.HOST}:{runtime.api_port}"
        depends_on = [runtime.database_url, runtime.prefect_api_url, runtime.prefect_auth]
        depends_on += [runtime.api_url, runtime.dashboard_url]
        return self._part("api", commands.api(runtime.api_port), {}, depends_on, lambda _: answers.api_answers(url))


def _migrate(platform: Platform) -> None:
    try:
        migrations.upgrade(platform.engine)
    except CommandError as error:
        raise PlatformError(
            f"The database was made by another version of Gatehouse: {error}. Use that one or a newer."
        ) from error
    except SQLAlchemyError as error:
        raise PlatformError(f"The database schema could not be brought up to date: {error}") from error
