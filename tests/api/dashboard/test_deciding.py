"""Resume as a decision: with the checks of the API, about the evidence that was shown."""

from __future__ import annotations

from typing import Any

from governance.access.principal import Principal
from governance.requests import RequestStatus, TransitionRequest
from tests.faults.stage import eventually
from tests.fixtures.dashboard import GuardedDashboard


def resume(guarded: GuardedDashboard, who: Principal, request: TransitionRequest, **said: str) -> tuple[int, Any]:
    answer = guarded.client(who).post(
        f"/dashboard/api/flow_runs/{request.flow_run_id}/resume", json={"run_input": said}
    )
    return answer.status_code, answer.json()


def test_an_approval_ends_the_run(guarded: GuardedDashboard) -> None:
    request = guarded.waiting()
    digest = request.evidence_digest or ""
    status, said = resume(guarded, guarded.registry.grace, request, decision="approve", comment="ok", evidence=digest)
    assert (status, said["status"], said["details"]) == (201, "ACCEPT", {"type": "accept_details"})
    assert said["state"]["type"] != "PAUSED"
    assert guarded.settled(request.id).status is RequestStatus.APPLIED
    with guarded.registry.unit() as uow:
        (approval,) = uow.approvals.of_request(request.id)
    assert (approval.approver_id, approval.evidence_digest) == (guarded.registry.grace.id, digest)
    status, said = resume(guarded, guarded.registry.alan, request, decision="approve")
    assert (status, said["status"], said["details"]["reason"]) == (200, "REJECT", "This request is applied already.")


def test_a_request_for_changes_refuses_under_its_own_name(guarded: GuardedDashboard) -> None:
    request = guarded.waiting()
    status, said = resume(guarded, guarded.registry.alan, request, decision="request_changes", comment="Cite the data.")
    assert (status, said["status"]) == (201, "ACCEPT")
    now = guarded.settled(request.id)
    assert now.status is RequestStatus.DENIED
    assert dict(now.outcome or {})["name"] == "ChangesRequested"
    assert "alan asks for changes: Cite the data." in str(dict(now.outcome or {})["reasons"])
    assert guarded.settled(dict(now.outcome or {})["followUp"]).status is RequestStatus.APPLIED
    assert guarded.registry.state(request.model_id, guarded.version_of(request)) == "changes_requested"


def test_what_changed_meanwhile_is_not_approved(guarded: GuardedDashboard) -> None:
    request = guarded.waiting()
    registry = guarded.registry
    with registry.unit() as uow:
        model = uow.models.get(request.model_id)
    with registry.platform.engine.begin() as connection:
        connection.exec_driver_sql("update models set tags = '{other}' where id = %s", (model.id,))
    status, said = resume(guarded, registry.grace, request, decision="approve", evidence=request.evidence_digest or "")
    assert (status, said["status"]) == (200, "REJECT")
    assert "changed" in said["details"]["reason"]
    with registry.unit() as uow:
        assert uow.approvals.of_request(request.id) == ()


def test_where_more_people_are_needed_the_run_shows_who_has_decided(guarded: GuardedDashboard) -> None:
    request = guarded.waiting(risk_tier="Medium")
    status, said = resume(guarded, guarded.registry.grace, request, decision="approve")
    assert (status, said["status"]) == (201, "ACCEPT")
    eventually("the second suspension", lambda: _forms(guarded, request) == 2 and guarded.parked(request.id))
    now = guarded.request(request.id)
    assert now.evidence_digest == request.evidence_digest
    status, said = resume(guarded, guarded.registry.alan, request, decision="approve")
    assert (status, said["status"]) == (201, "ACCEPT")
    assert guarded.settled(request.id).status is RequestStatus.APPLIED


def _forms(guarded: GuardedDashboard, request: TransitionRequest) -> int:
    """How often the run has asked."""
    with guarded.stage.orchestrator() as prefect:
        wanted = {"prefix": "suspended-", "limit": 50}
        found = prefect.post(f"flow_runs/{request.flow_run_id}/input/filter", json=wanted).json()
    return sum(each["key"].endswith("-schema") for each in found)


def test_a_run_of_nobodys_request(guarded: GuardedDashboard) -> None:
    unknown = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"
    answer = guarded.client(guarded.registry.grace).post(
        f"/dashboard/api/flow_runs/{unknown}/resume", json={"run_input": {"decision": "approve"}}
    )
    assert answer.json()["status"] == "REJECT"
