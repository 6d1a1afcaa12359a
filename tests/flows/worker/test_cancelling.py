"""Cancel in the dashboard stops the run, whatever it is doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.worker.conftest import StartWorker
from tests.flows.worker.orchestrator import Orchestrator, eventually
from tests.flows.worker.processes import WorkerProcess, pid_in, pid_is_running


@pytest.mark.parametrize("flow", ["waiting", "waiting_blocking", "computing"])
def test_cancel_interrupts_the_run_which_cleans_up(
    flow: str, worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    run = orchestrator.run_sample(flow, worker.pool, folder=str(tmp_path))
    pid = pid_in(tmp_path / "started")
    orchestrator.cancel(run)
    assert orchestrator.ended(run)["type"] == "CANCELLED"
    eventually(lambda: not pid_is_running(pid))
    assert (tmp_path / "cleaned").exists()


def test_cancel_kills_what_does_not_let_itself_be_interrupted(
    worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    run = orchestrator.run_sample("stubborn", worker.pool, folder=str(tmp_path))
    pid = pid_in(tmp_path / "started")
    orchestrator.cancel(run)
    assert orchestrator.ended(run)["type"] == "CANCELLED"
    eventually(lambda: not pid_is_running(pid))


def test_a_cancelled_run_that_is_retried_runs(
    worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    """The worker may hear of the cancellation again, with events that it missed; it was about the first attempt."""
    run = orchestrator.run_sample("waiting", worker.pool, folder=str(tmp_path))
    pid_in(tmp_path / "started")
    orchestrator.cancel(run)
    assert orchestrator.ended(run)["type"] == "CANCELLED"
    (tmp_path / "go").touch()
    orchestrator.post(f"/flow_runs/{run}/set_state", state={"type": "SCHEDULED"}, force=True)
    eventually(lambda: orchestrator.state(run)["type"] == "COMPLETED")


def test_cancel_between_claim_and_start_keeps_the_flow_from_beginning(
    start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    """The fork server is held, so that the claimed run has no process yet when Cancel comes."""
    own = start_worker(spares=0)
    fork_server = own.fork_server()
    fork_server.suspend()
    run = orchestrator.run_sample("waiting", own.pool, folder=str(tmp_path))
    eventually(lambda: orchestrator.state(run)["name"] == "Submitting")
    orchestrator.cancel(run)
    assert orchestrator.state(run)["type"] == "CANCELLING"
    fork_server.resume()
    assert orchestrator.ended(run)["type"] == "CANCELLED"
    assert not (tmp_path / "started").exists()


DEAF = """
import anyio
from flows.worker.entry import main
from flows.worker.worker import WarmWorker

WarmWorker._listen = lambda self: anyio.sleep_forever()
main()
"""
"""A worker that no event ever reaches."""


def test_without_events_polling_finds_work_and_cancellations(
    start_worker: StartWorker, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    deaf = start_worker(program=DEAF, poll_seconds=0.5)
    run = orchestrator.run_sample("waiting", deaf.pool, folder=str(tmp_path))
    pid_in(tmp_path / "started")
    orchestrator.cancel(run)
    assert orchestrator.ended(run)["type"] == "CANCELLED"
    assert (tmp_path / "cleaned").exists()
