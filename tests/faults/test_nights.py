"""A night on real Prefect: several batches, one model that cannot be executed, workers and servers that die."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import timedelta

import pytest

from governance.errors import DependencyUnavailable
from governance.operations.nights import launch_night, night_lease, open_night, reconcile_nights
from governance.operations.validation_runs import launch_run, reconcile_runs, start_run
from governance.validation.nights import NightStatus
from governance.validation.runs import RunStatus, ValidationRun, run_lease
from storage.leases import worked_on
from tests.faults.candidates import Candidate, candidate
from tests.faults.stage import Stage, eventually
from tests.governance.operations.situations import query

SOON = timedelta(seconds=5)


def begin(stage: Stage, *, day: int = 0) -> str:
    """A night of batches of one; every test has a date of its own on the shared stage."""
    parts = stage.platform
    call = parts.system_call()
    taken = query(stage.registry, "select coalesce(max(night), current_date) from validation_nights")[0][0]
    night_id, new = open_night(
        parts.new_unit(), call, night=taken + timedelta(days=1 + day), trigger="schedule", batch_size=1, hours=1
    )
    assert new
    with suppress(DependencyUnavailable):
        launch_night(parts.new_unit, parts.launcher, call, night_id)
    return night_id


def look_after(stage: Stage, night_id: str) -> NightStatus:
    """One pass of what keeps the platform going; the night as it is then."""
    parts = stage.platform
    with suppress(DependencyUnavailable):
        reconcile_nights(
            parts.new_unit, parts.launcher, parts.system_call(), lambda n: worked_on(parts.engine, n), orphan_after=SOON
        )
    with parts.new_unit() as uow:
        return uow.nights.get(night_id).status


def over(stage: Stage, night_id: str) -> NightStatus:
    ended = (NightStatus.COMPLETED, NightStatus.PARTIAL)
    status: NightStatus = eventually(
        "the end of the night", lambda: (s := look_after(stage, night_id)) in ended and s, seconds=240
    )
    return status


def runs_of(stage: Stage, night_id: str) -> list[ValidationRun]:
    with stage.platform.new_unit() as uow:
        listed = [run for batch in uow.nights.batches(night_id) for run in uow.runs.of_batch(night_id, batch.number)]
        return [uow.runs.get(run.id) for run in listed]


def run_of(stage: Stage, night_id: str, it: Candidate) -> ValidationRun:
    return next(run for run in runs_of(stage, night_id) if run.model_id == it.model_id)


def spoil(stage: Stage, it: Candidate) -> None:
    """The content of the version in production is gone from storage."""
    with stage.platform.new_unit() as uow:
        version = uow.versions.get(it.model_id, it.incumbent)
    query(
        stage.registry,
        "update artifacts set sha256 = %s where version_id = %s",
        "f" * 64,
        version.id,
    )


def test_a_night_of_real_models_one_of_which_is_broken(stage: Stage) -> None:
    healthy, broken = candidate(stage, "approve_production"), candidate(stage, "submit")
    spoil(stage, broken)
    night_id = begin(stage)
    assert over(stage, night_id) is NightStatus.COMPLETED
    good, bad = run_of(stage, night_id, healthy), run_of(stage, night_id, broken)
    assert bad.status is RunStatus.ERROR
    assert all(run.settled for run in runs_of(stage, night_id))
    tests = {test["id"]: test["outcome"] for test in good.tests}
    assert tests == {"holdout.accuracy": "passed"}
    with stage.platform.new_unit() as uow:
        staged = uow.versions.get(healthy.model_id, healthy.version)
    compared = next(run for run in runs_of(stage, night_id) if run.version_id == staged.id)
    assert compared.measured is not None
    (suite,) = compared.measured["suites"]
    assert suite["measurement"]["overall"] == {"kind": "counts", "b": 0, "c": 0, "n": 400}
    assert suite["baseline"]["version"] == "1.0.0"
    with stage.platform.new_unit() as uow:
        night = uow.nights.get(night_id)
    with stage.orchestrator() as prefect:
        asked = {"flow_runs": {"id": {"any_": [night.flow_run_id]}}}
        shown = prefect.post("artifacts/filter", json=asked).raise_for_status().json()
    told = {artifact["key"]: artifact for artifact in shown}
    assert set(told) == {"night", f"night-{night.night}", f"night-{night.night}-troubled"}
    assert told["night"]["data"] == 100.0  # the progress bar
    assert "charts/overview.png" in told[f"night-{night.night}"]["data"]


@pytest.mark.parametrize("victim", ["run", pytest.param("worker", marks=pytest.mark.prove)])
def test_whatever_dies_the_night_comes_to_its_end(stage: Stage, victim: str) -> None:
    candidate(stage, "submit")
    night_id = begin(stage)

    def at_work() -> bool:
        look_after(stage, night_id)
        return worked_on(stage.platform.engine, night_lease(night_id)) and any(
            run.status is not RunStatus.QUEUED for run in runs_of(stage, night_id)
        )

    eventually("work on the night", at_work)
    for pid in _victims(stage, victim):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stage.revive()
    assert over(stage, night_id) is NightStatus.COMPLETED
    runs = runs_of(stage, night_id)
    assert runs
    assert all(run.settled for run in runs)
    settled = query(
        stage.registry,
        "select count(*) from events where type = 'io.gatehouse.night.ended' and subject_id = %s",
        night_id,
    )
    assert settled == [(1,)]


def _victims(stage: Stage, victim: str) -> list[int]:
    if victim == "worker":
        return stage.victims("worker")
    held = query(
        stage.registry,
        "select a.client_port, a.pid from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory'",
    )
    ports = {port for port, _ in held}
    import psutil

    return [
        process.pid
        for process in psutil.Process(stage.processes["worker"].pid).children(recursive=True)
        if any(c.laddr and c.laddr.port in ports for c in process.net_connections("tcp"))
    ]


def test_a_run_alone_survives_its_worker(stage: Stage) -> None:
    it = candidate(stage, "submit")
    parts = stage.platform
    with parts.new_unit() as uow:
        version = uow.versions.get(it.model_id, it.incumbent)
    stage.registry.at = parts.system_call().at
    run_id = start_run(
        parts.new_unit(), stage.registry.call(stage.registry.dev), model_id=it.model_id, version_id=version.id
    )
    for pid in stage.victims("worker"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    launch_run(parts.new_unit, parts.launcher, parts.system_call(), run_id)
    stage.revive()

    def settled() -> bool:
        reconcile_runs(
            parts.new_unit,
            parts.launcher,
            parts.system_call(),
            lambda name: worked_on(parts.engine, run_lease(name)),
            orphan_after=SOON,
        )
        with parts.new_unit() as uow:
            return uow.runs.get(run_id).settled

    eventually("the end of the run", settled)
    with parts.new_unit() as uow:
        assert uow.runs.get(run_id).status is RunStatus.PASSED
