"""A session-wide worker that tests may use but not stop, and a way to start others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.prefect_server import PrefectServer, prefect_server
from tests.flows.worker.orchestrator import Orchestrator, eventually
from tests.flows.worker.processes import WorkerProcess

__all__ = ["prefect_server"]  # a fixture, found by pytest here

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture(scope="session")
def orchestrator(prefect_server: PrefectServer) -> Iterator[Orchestrator]:
    speaking = Orchestrator(prefect_server.api_url)
    yield speaking
    speaking.close()


@pytest.fixture(scope="session")
def worker(
    prefect_server: PrefectServer, orchestrator: Orchestrator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """Two spares, three runs at a time, woken by events only."""
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    shared = WorkerProcess(prefect_server, log, pool=f"shared-{uuid4().hex}", limit=3, spares=2)
    try:
        eventually(lambda: orchestrator.worker_is_online(shared.pool, shared.name))
        yield shared
    finally:
        shared.end()


@pytest.fixture
def start_worker(
    prefect_server: PrefectServer, orchestrator: Orchestrator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartWorker]:
    """Start a worker of the test's own; `wait=False` returns before it has reported to the orchestrator."""
    started: list[WorkerProcess] = []

    def start(*, wait: bool = True, pool: str | None = None, **options: Any) -> WorkerProcess:
        log = tmp_path_factory.mktemp("worker") / "worker.log"
        one = WorkerProcess(prefect_server, log, pool=pool or f"own-{uuid4().hex}", **options)
        started.append(one)
        if wait:
            eventually(lambda: orchestrator.worker_is_online(one.pool, one.name))
        return one

    try:
        yield start
    finally:
        for one in started:
            one.end()
