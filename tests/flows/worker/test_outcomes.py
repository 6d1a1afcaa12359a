"""Every way in which a run can end by itself, on one long-lived worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.worker.orchestrator import SAMPLES, Orchestrator, eventually
from tests.flows.worker.processes import WorkerProcess, pid_in, pid_is_running


@pytest.mark.parametrize("entrypoint", [f"{SAMPLES}.three_tasks", f"{SAMPLES}:three_tasks_blocking"])
def test_a_flow_runs_in_a_process_of_its_own(
    entrypoint: str, worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    deployment = orchestrator.deploy(entrypoint, worker.pool)
    pids = set()
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        run = orchestrator.start(deployment, folder=str(folder))
        assert orchestrator.ended(run)["type"] == "COMPLETED"
        pids.add(pid_in(folder / "started"))
    assert len(pids) == 2
    assert worker.process.pid not in pids
    eventually(lambda: not any(pid_is_running(pid) for pid in pids))


def test_spares_have_called_the_warm_up_hook(worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path) -> None:
    eventually(lambda: len(worker.fork_server().children()) >= 2)
    run = orchestrator.run_sample("three_tasks", worker.pool, folder=str(tmp_path))
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    assert (tmp_path / "warmed").exists()


def test_every_log_line_and_event_of_a_run_arrives(worker: WorkerProcess, orchestrator: Orchestrator) -> None:
    run = orchestrator.run_sample("talkative", worker.pool, lines=50)
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    lines = {f"line {number}" for number in range(50)}
    eventually(lambda: lines <= set(orchestrator.log_messages(run)))
    filter_ = {"event": {"name": ["sample.finished"]}, "related": {"id": [f"prefect.flow-run.{run}"]}}
    assert eventually(lambda: orchestrator.post("/events/filter", filter=filter_)["events"])


def test_no_run_pays_for_watching_whether_it_is_suspended(worker: WorkerProcess, orchestrator: Orchestrator) -> None:
    assert orchestrator.ended(orchestrator.run_sample("unobserved", worker.pool))["type"] == "COMPLETED"


def test_an_exception_is_a_failed_run(worker: WorkerProcess, orchestrator: Orchestrator) -> None:
    state = orchestrator.ended(orchestrator.run_sample("failing", worker.pool))
    assert state["type"] == "FAILED"
    assert "as it should" in state["message"]


def test_leaving_without_a_word_is_a_crash(worker: WorkerProcess, orchestrator: Orchestrator) -> None:
    state = orchestrator.ended(orchestrator.run_sample("leaving_without_a_word", worker.pool))
    assert state["type"] == "CRASHED"
    assert "exit code 0" in state["message"]


@pytest.mark.parametrize("entrypoint", ["no.such.module.flow", f"{SAMPLES}.no_such_flow", f"{SAMPLES}:mark"])
def test_a_flow_that_cannot_be_loaded_is_a_crash_that_says_so(
    entrypoint: str, worker: WorkerProcess, orchestrator: Orchestrator
) -> None:
    run = orchestrator.start(orchestrator.deploy(entrypoint, worker.pool))
    state = orchestrator.ended(run)
    assert state["type"] == "CRASHED"
    assert entrypoint in state["message"]


def test_what_a_run_leaves_running_is_killed(worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path) -> None:
    run = orchestrator.run_sample("bearing", worker.pool, folder=str(tmp_path), wait=False)
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    orphan = pid_in(tmp_path / "orphan")
    eventually(lambda: not pid_is_running(orphan))


def test_no_more_runs_at_once_than_the_limit(worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path) -> None:
    """Three slots, seven runs: three start, the others stay scheduled, and each that ends lets the next one in."""
    deployment = orchestrator.deploy(f"{SAMPLES}.waiting", worker.pool)
    folders = [tmp_path / str(number) for number in range(7)]
    for folder in folders:
        folder.mkdir()
    runs = {folder: orchestrator.start(deployment, folder=str(folder)) for folder in folders}
    for done in range(7):
        inside = eventually(lambda: _inside(folders, at_least=min(3, 7 - done)))  # noqa: B023
        waiting = [folder for folder in folders if not (folder / "started").exists()]
        assert len(inside) <= 3
        assert all(orchestrator.state(runs[folder])["type"] in {"SCHEDULED", "PENDING"} for folder in waiting)
        (inside[0] / "go").touch()
        assert orchestrator.ended(runs[inside[0]])["type"] == "COMPLETED"


def _inside(folders: list[Path], at_least: int) -> list[Path]:
    inside = [one for one in folders if (one / "started").exists() and not (one / "go").exists()]
    return inside if len(inside) >= at_least else []


def test_a_suspended_run_frees_its_slot_and_resumes(
    worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    run = orchestrator.run_sample("suspending", worker.pool, folder=str(tmp_path))
    first = pid_in(tmp_path / "suspended")
    eventually(lambda: orchestrator.state(run)["type"] == "PAUSED")
    eventually(lambda: not pid_is_running(first))
    orchestrator.resume(run)
    assert orchestrator.ended(run)["type"] == "COMPLETED"
    assert pid_in(tmp_path / "resumed") != first
    assert (tmp_path / "finished").exists()


def test_a_run_resumed_before_its_first_process_has_ended_goes_on_when_it_has(
    worker: WorkerProcess, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    """Meanwhile other runs are not held up."""
    folder, other = tmp_path / "lingering", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    run = orchestrator.run_sample("lingering", worker.pool, folder=str(folder))
    first = pid_in(folder / "suspended")
    eventually(lambda: orchestrator.state(run)["type"] == "PAUSED")
    orchestrator.resume(run)
    beside = orchestrator.run_sample("three_tasks", worker.pool, folder=str(other))
    assert orchestrator.ended(beside)["type"] == "COMPLETED"
    assert pid_is_running(first)
    assert orchestrator.state(run)["type"] == "SCHEDULED"
    (folder / "leave").touch()
    assert orchestrator.ended(run)["type"] == "COMPLETED"
