"""The Prefect server is killed, absent, restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.prefect_server import PrefectServer
from tests.flows.worker.conftest import StartWorker
from tests.flows.worker.orchestrator import Orchestrator, eventually
from tests.flows.worker.processes import WorkerProcess, kill, pid_in


@pytest.fixture
def outage(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """The server, which runs again afterwards whatever the test has done to it."""
    yield prefect_server
    if not prefect_server.running:
        prefect_server.start()


def test_a_worker_outlives_its_server(
    worker: WorkerProcess, outage: PrefectServer, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    """A run whose process dies meanwhile is settled afterwards, and one that goes on ends as if nothing had been."""
    going_on, dying, next_ = (tmp_path / name for name in ("going_on", "dying", "next"))
    runs = {}
    for folder in (going_on, dying):
        folder.mkdir()
        runs[folder] = orchestrator.run_sample("waiting", worker.pool, folder=str(folder))
    pids = {folder: pid_in(folder / "started") for folder in runs}
    outage.kill()
    kill(pids[dying])
    (going_on / "go").touch()
    eventually((going_on / "cleaned").exists)
    outage.start()
    assert orchestrator.ended(runs[dying])["type"] == "CRASHED"
    assert orchestrator.ended(runs[going_on])["type"] == "COMPLETED"
    next_.mkdir()
    run = orchestrator.run_sample("three_tasks", worker.pool, folder=str(next_))
    assert orchestrator.ended(run)["type"] == "COMPLETED"


def test_a_worker_may_be_started_before_its_server(
    start_worker: StartWorker, outage: PrefectServer, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    outage.kill()
    own = start_worker(wait=False)
    eventually(lambda: "Waiting for the Prefect server" in own.log.read_text())
    outage.start()
    eventually(lambda: orchestrator.worker_is_online(own.pool, own.name))
    run = orchestrator.run_sample("three_tasks", own.pool, folder=str(tmp_path))
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    own.terminate()
    assert own.process.wait(60) == 0
    assert "Traceback" not in own.log.read_text()


@pytest.mark.prove
def test_a_worker_can_be_stopped_while_its_server_is_absent(
    start_worker: StartWorker, outage: PrefectServer, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    waiting = start_worker()
    orchestrator.run_sample("waiting", waiting.pool, folder=str(tmp_path))
    pid_in(tmp_path / "started")
    outage.kill()
    newcomer = start_worker(wait=False)
    eventually(lambda: "Waiting for the Prefect server" in newcomer.log.read_text())
    for one in (waiting, newcomer):
        one.descendants()
        one.terminate()
    assert [one.process.wait(60) for one in (waiting, newcomer)] == [0, 0]
    for one in (waiting, newcomer):
        one.expect_nothing_left()
