"""The orchestrator away, or used by somebody who should not decide anything."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from governance.errors import DependencyUnavailable
from governance.operations.launching import launch, reconcile
from governance.operations.transitions import withdraw
from governance.requests import RequestStatus, TransitionRequest
from tests.faults.candidates import candidate
from tests.faults.stage import Stage, eventually


def read(stage: Stage, request: TransitionRequest) -> TransitionRequest:
    with stage.platform.new_unit() as uow:
        return uow.requests.get(request.id)


def run_state(stage: Stage, request: TransitionRequest) -> str | None:
    run = read(stage, request).flow_run_id
    return stage.platform.launcher.state(run) if run else None


def force(stage: Stage, request: TransitionRequest, state: dict[str, str]) -> None:
    """As somebody with the secret of the Prefect server could."""
    with stage.orchestrator() as prefect:
        body = {"state": state, "force": True}
        prefect.post(f"flow_runs/{request.flow_run_id}/set_state", json=body).raise_for_status()


def parked(stage: Stage) -> TransitionRequest:
    it = candidate(stage, "approve_production")
    stage.registry.at = stage.platform.system_call().at
    request = stage.registry.open(it.model_id, it.version, "approve_production")
    stage.launch(request)
    eventually(
        "suspension",
        lambda: (
            read(stage, request).status is RequestStatus.AWAITING_APPROVAL and run_state(stage, request) == "PAUSED"
        ),
    )
    return read(stage, request)


def test_a_request_is_kept_while_the_orchestrator_is_away_and_launched_later(stage: Stage) -> None:
    it = candidate(stage, "promote_production")
    for pid in stage.victims("prefect"):
        os.kill(pid, signal.SIGKILL)
    stage.registry.at = stage.platform.system_call().at
    request = stage.registry.open(it.model_id, it.version, "promote_production")
    with pytest.raises(DependencyUnavailable):
        launch(stage.platform.new_unit, stage.platform.launcher, stage.platform.system_call(), request)
    assert read(stage, request).status is RequestStatus.OPEN
    assert read(stage, request).flow_run_id is None
    stage.revive()

    def settled() -> bool:
        reconcile(
            stage.platform.new_unit,
            stage.platform.launcher,
            stage.platform.system_call(),
            orphan_after=timedelta(0),
        )
        return not read(stage, request).undecided

    eventually("the launch by the reconciler", settled)
    assert read(stage, request).status is RequestStatus.APPLIED


def test_a_bare_resume_approves_nothing(stage: Stage) -> None:
    request = parked(stage)
    path = f"flow_runs/{request.flow_run_id}/resume"
    with stage.orchestrator() as prefect:
        assert prefect.post(path, json={"run_input": {}}).json()["status"] == "REJECT", "the form asks for a decision"
        said = {"decision": "approve", "comment": "I have the secret of this server."}
        assert prefect.post(path, json={"run_input": said}).json()["status"] == "ACCEPT"
    eventually(
        "the second suspension",
        lambda: _runs_begun(stage, request) == 2 and run_state(stage, request) == "PAUSED",
    )
    after = read(stage, request)
    assert after.status is RequestStatus.AWAITING_APPROVAL
    assert after.evidence_digest == request.evidence_digest


def test_a_forced_state_moves_nothing(stage: Stage) -> None:
    request = parked(stage)
    force(stage, request, {"type": "COMPLETED", "name": "Promoted"})
    assert read(stage, request).status is RequestStatus.AWAITING_APPROVAL
    with stage.platform.new_unit() as uow:
        assert uow.versions.by_id(request.version_id).state == "staging"


def test_a_cancelled_run_leaves_the_request_for_people(stage: Stage) -> None:
    request = parked(stage)
    force(stage, request, {"type": "CANCELLED"})
    done = reconcile(
        stage.platform.new_unit, stage.platform.launcher, stage.platform.system_call(), orphan_after=timedelta(0)
    )
    assert request.id not in (*done.launched, *done.relaunched, *done.woken)
    assert read(stage, request).undecided


def test_a_withdrawn_request_ends_its_run(stage: Stage) -> None:
    request = parked(stage)
    withdraw(stage.registry.unit(), stage.registry.call(stage.registry.dev), request.id, "not needed any more")
    assert stage.platform.launcher.wake(request.flow_run_id or "")
    eventually("the end of the run", lambda: run_state(stage, request) == "COMPLETED")
    with stage.orchestrator() as prefect:
        run = prefect.get(f"flow_runs/{request.flow_run_id}").json()
    assert run["state_name"] == "Withdrawn"


def _runs_begun(stage: Stage, request: TransitionRequest) -> int:
    with stage.orchestrator() as prefect:
        states = prefect.get("flow_run_states/", params={"flow_run_id": request.flow_run_id or ""}).json()
    return sum(state["type"] == "RUNNING" for state in states)
