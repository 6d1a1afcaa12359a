"""SIGKILL to a child, to the fork server and to the worker; SIGTERM to the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.worker.entry import PRELOAD_REFUSED
from tests.flows.worker.conftest import StartWorker
from tests.flows.worker.orchestrator import Orchestrator, eventually
from tests.flows.worker.processes import WorkerProcess, kill, pid_in


@pytest.mark.parametrize("flow", ["waiting", "waiting_blocking"])
def test_a_killed_child_is_a_crashed_run(
    flow: str, worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    run = orchestrator.run_sample(flow, worker.pool, folder=str(tmp_path))
    kill(pid_in(tmp_path / "started"))
    state = orchestrator.ended(run)
    assert state["type"] == "CRASHED"
    assert "SIGKILL" in state["message"]


def test_a_killed_spare_is_replaced(worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path) -> None:
    spares = eventually(lambda: worker.fork_server().children())
    for spare in spares:
        spare.kill()
    run = orchestrator.run_sample("three_tasks", worker.pool, folder=str(tmp_path))
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    eventually(lambda: len(set(worker.fork_server().children()) - set(spares)) >= 2)


def test_the_fork_server_is_replaced_and_running_flows_go_on(
    start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    own = start_worker(spares=0)
    completed, killed, cancelled, next_ = (tmp_path / name for name in ("completed", "killed", "cancelled", "next"))
    runs = {}
    for folder in (completed, killed, cancelled):
        folder.mkdir()
        runs[folder] = orchestrator.run_sample("waiting", own.pool, folder=str(folder))
    for folder in runs:
        pid_in(folder / "started")
    first = own.fork_server()
    first.kill()
    eventually(lambda: own.fork_server() != first)

    (completed / "go").touch()
    assert orchestrator.ended(runs[completed])["type"] == "COMPLETED"
    kill(pid_in(killed / "started"))
    assert orchestrator.ended(runs[killed])["type"] == "CRASHED"
    orchestrator.cancel(runs[cancelled])
    assert orchestrator.ended(runs[cancelled])["type"] == "CANCELLED"
    next_.mkdir()
    run = orchestrator.run_sample("three_tasks", own.pool, folder=str(next_))
    assert orchestrator.ended(run)["type"] == "COMPLETED"


def test_a_killed_worker_takes_everything_with_it(
    start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    """Its runs are reported crashed by their own processes, even those that start others or never let go are gone,
    and a suspended one waits for the next worker."""
    own = start_worker()
    folders = {flow: tmp_path / flow for flow in ("waiting", "computing", "stubborn", "bearing", "suspending")}
    runs = {}
    for flow, folder in folders.items():
        folder.mkdir()
        options = {"wait": True} if flow == "bearing" else {}
        runs[flow] = orchestrator.run_sample(flow, own.pool, folder=str(folder), **options)
    for flow in ("waiting", "computing", "stubborn"):
        pid_in(folders[flow] / "started")
    pid_in(folders["bearing"] / "orphan")
    eventually(lambda: orchestrator.state(runs["suspending"])["type"] == "PAUSED")

    own.kill()
    for flow in ("waiting", "computing", "bearing"):
        assert orchestrator.ended(runs[flow])["type"] == "CRASHED", flow
    own.expect_nothing_left()
    assert (folders["waiting"] / "cleaned").exists()

    fresh = start_worker(pool=own.pool, name="fresh")
    orchestrator.resume(runs["suspending"])
    assert orchestrator.ended(runs["suspending"])["type"] == "COMPLETED"
    assert (folders["suspending"] / "finished").exists()
    assert fresh.alive


@pytest.mark.prove
def test_a_worker_and_its_fork_server_killed_together_leave_nothing(
    start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    own = start_worker()
    run = orchestrator.run_sample("waiting", own.pool, folder=str(tmp_path))
    pid_in(tmp_path / "started")
    fork_server = own.fork_server()
    own.descendants()
    fork_server.suspend()  # so that it cannot react to the worker's death before its own
    own.kill()
    fork_server.kill()
    assert orchestrator.ended(run)["type"] == "CRASHED"
    own.expect_nothing_left()


def test_sigterm_drains(start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path) -> None:
    """The run that ends in time completes, the one that does not is crashed, and a new one is not begun."""
    own = start_worker(drain_seconds=3.0)
    short, long, late = (tmp_path / name for name in ("short", "long", "late"))
    for folder in (short, long, late):
        folder.mkdir()
    runs = [orchestrator.run_sample("waiting", own.pool, folder=str(one)) for one in (short, long)]
    for folder in (short, long):
        pid_in(folder / "started")
    own.descendants()
    own.terminate()
    late_run = orchestrator.run_sample("waiting", own.pool, folder=str(late))
    (short / "go").touch()
    assert orchestrator.ended(runs[0])["type"] == "COMPLETED"
    assert orchestrator.ended(runs[1])["type"] == "CRASHED"
    assert own.process.wait(60) == 0
    assert (long / "cleaned").exists()
    assert orchestrator.state(late_run)["type"] == "SCHEDULED"
    own.expect_nothing_left()


def test_a_worker_that_cannot_preload_does_not_start(start_worker: StartWorker) -> None:
    own = start_worker(wait=False, preload=["json", "no_such_module"])
    assert own.process.wait(60) == PRELOAD_REFUSED
    assert "'no_such_module' cannot be imported: ModuleNotFoundError" in own.log.read_text()
