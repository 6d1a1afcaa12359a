"""Time at work on real runs: what waits for a freeze holds no worker and goes on by itself; what expires ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from governance.operations.freezes import NewFreeze, declare_freeze, lift_freeze
from governance.operations.launching import reconcile
from governance.operations.tending import tend
from governance.requests import RequestStatus, TransitionRequest
from tests.faults.candidates import candidate
from tests.faults.stage import Stage, eventually
from tests.faults.test_orchestrator import parked, read, run_state


def paused(stage: Stage, request: TransitionRequest) -> bool:
    return read(stage, request).status is RequestStatus.AWAITING_APPROVAL and run_state(stage, request) == "PAUSED"


def begun(stage: Stage, request: TransitionRequest) -> int:
    run = read(stage, request).flow_run_id or ""
    with stage.orchestrator() as prefect:
        states = prefect.get("flow_run_states/", params={"flow_run_id": run}).json()
    return sum(state["type"] == "RUNNING" for state in states)


def test_a_promotion_waits_for_the_end_of_a_freeze(stage: Stage) -> None:
    r = stage.registry
    it = candidate(stage, "promote_production")
    r.at = stage.platform.system_call().at
    new = NewFreeze("year end", "The books are closed.", r.at, r.at + timedelta(hours=6))
    window = declare_freeze(r.unit(), r.call(r.admin), new)
    try:
        request = r.open(it.model_id, it.version, "promote_production")
        stage.launch(request)
        eventually("suspension", lambda: paused(stage, request))
        assert stage.platform.launcher.wake(read(stage, request).flow_run_id or "")
        eventually("the second suspension", lambda: begun(stage, request) == 2 and paused(stage, request))
    finally:
        r.at = stage.platform.system_call().at
        lift_freeze(r.unit(), r.call(r.admin), window)

    def settled() -> bool:
        reconcile(
            stage.platform.new_unit, stage.platform.launcher, stage.platform.system_call(), orphan_after=timedelta(0)
        )
        return not read(stage, request).undecided

    eventually("the promotion", settled)
    assert read(stage, request).status is RequestStatus.APPLIED


def test_an_expired_request_ends_its_run(stage: Stage) -> None:
    request = parked(stage)
    call = stage.platform.system_call()
    tended = tend(stage.platform.new_unit, stage.platform.launcher, replace(call, at=call.at + timedelta(days=15)))
    assert request.id in tended.expired
    assert request.id in tended.ended
    eventually("the end of the run", lambda: run_state(stage, request) == "COMPLETED")
    with stage.orchestrator() as prefect:
        assert prefect.get(f"flow_runs/{request.flow_run_id}").json()["state_name"] == "Expired"
