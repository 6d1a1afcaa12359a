"""6. Check again at execution: digest, roles, freezes and open findings, under the locks of the settlement."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from governance.evidence import Case
from governance.operations import registry
from governance.operations.findings import close_finding
from governance.policies import ActivePolicy
from governance.policies.open_findings import NoOpenFindings
from governance.requests import RequestStatus
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, METADATA, RegistryUnderTest
from tests.governance.approvals.clock import approved_by, found, freeze, look
from tests.governance.operations.situations import (
    bring,
    eventually,
    evidence_of,
    model_with_version,
    parked,
    query,
    stored,
    waiting_for_a_lock,
)

__all__ = ["shared_registry"]


def test_a_changed_digest(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    evidence = evidence_of(r, request)
    approved_by(r, request, r.grace)
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "n": 1}, None)
    assert r.settle(request, evidence).kind == "changed"
    assert r.settle(request).kind == "waiting", "nobody has approved what is there now"


def test_an_approver_who_lost_the_role(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    someone = r.person("ann", APPROVER, "risk")
    approved_by(r, request, someone)
    r.change(someone.id, roles=["viewer"])
    assert r.settle(request).kind == "waiting"
    r.change(someone.id, roles=["approver"])
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_finding_opened_after_the_approvals(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    approved_by(r, request, r.grace)
    finding = found(r, request.model_id, "approve_production")
    denied = r.settle(request)
    assert denied.status is RequestStatus.DENIED
    assert any("Fairness was never measured." in reason for reason in denied.outcome["reasons"])

    close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution="Measured: 0.02 apart.")
    again = r.open(request.model_id, "1.0.0", "approve_production")
    r.approve(again, r.grace)
    assert r.settle(again).status is RequestStatus.APPLIED


@pytest.mark.parametrize("blocks", [(), ("deploy_staging",), ("promote_production",)])
def test_a_finding_holds_back_what_it_names_and_nothing_else(
    shared_registry: RegistryUnderTest, blocks: tuple[str, ...]
) -> None:
    r = shared_registry
    request = parked(r)
    found(r, request.model_id, *blocks)
    approved_by(r, request, r.grace)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_finding_about_another_version_unless_it_is_model_wide(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    r.version(model, "2.0.0", weights=b"second")
    for wide, expected in ((False, RequestStatus.APPLIED), (True, RequestStatus.DENIED)):
        found(r, model, "approve_staging", "deploy_staging", model_wide=wide)
        bring(r, model, "2.0.0", "evaluate") if not wide else None
        request = r.open(model, "2.0.0", "deploy_staging" if wide else "approve_staging")
        if not wide:
            r.approve(request, r.grace)
        assert r.settle(request).status is expected


def test_a_finding_waits_for_a_settlement_that_has_begun(shared_registry: RegistryUnderTest) -> None:
    """Either the settlement sees the finding, or it was over before: nothing in between."""
    r = shared_registry
    request = parked(r)
    with ThreadPoolExecutor(1) as threads:
        with r.unit() as uow:
            uow.versions.lock(request.version_id)  # as `settle` does before it judges
            opening = threads.submit(found, r, request.model_id, "approve_production")
            eventually(lambda: waiting_for_a_lock(r) == 1)
            assert not opening.done()
        assert opening.result(30)


def test_a_freeze_waits_for_a_settlement_that_has_begun(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.groups("elsewhere")
    with ThreadPoolExecutor(1) as threads:
        with r.unit() as uow, r.unit() as other:
            uow.freezes.hold()
            other.freezes.hold()  # settlements do not wait for each other
            declaring = threads.submit(freeze, r, groups=["elsewhere"])
            eventually(lambda: waiting_for_a_lock(r) == 1)
            assert not declaring.done()
        assert declaring.result(30)


def test_a_freeze_that_begins_after_the_approvals_makes_them_wait(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    digest = stored(r, request).evidence_digest
    approved_by(r, request, r.grace)
    freeze(r, hours=6, transitions=["approve_production"])
    frozen = r.settle(request)
    assert frozen.kind == "waiting"
    assert stored(r, request).status is RequestStatus.AWAITING_APPROVAL
    assert stored(r, request).evidence_digest == digest, "the approvals stand"
    r.later(hours=5, minutes=59)
    assert r.settle(request).kind == "waiting"
    r.later(minutes=1)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_promotion_in_a_freeze_is_parked_and_woken_when_it_is_over(registry_under_test: RegistryUnderTest) -> None:
    """Nobody approves a promotion; still it waits, and goes on by itself."""
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    freeze(r, hours=6)
    request = r.open(model, "1.0.0", "promote_production")
    run = r.launcher.launch(request.id, request.transition, 1, "promote")
    with r.unit() as uow:
        uow.requests.launched(request.id, run, 1, r.at)
        uow.commit()
    assert r.settle(request).kind == "waiting"
    r.approve(request)  # parks, and nobody decides
    assert stored(r, request).status is RequestStatus.AWAITING_APPROVAL
    r.launcher.states[run] = "PAUSED"
    r.later(hours=3)
    assert look(r).woken == ()
    r.later(hours=3)
    assert look(r).woken == (request.id,)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_what_was_judged_can_be_judged_again(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    finding = found(r, request.model_id, "approve_production")
    approved_by(r, request, r.grace)
    assert r.settle(request).status is RequestStatus.DENIED
    close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution="Measured: 0.02 apart.")
    ((judged, evidence),) = query(r, "select judged_case, evidence from transition_requests where id = %s", request.id)
    case = Case.from_json({**judged, "evidence": evidence})
    assert [one.id for one in case.around.findings] == [finding]
    again = ActivePolicy(NoOpenFindings(), 1).policy.judge(case)
    assert again.outcome == "failed"
    assert json.loads(json.dumps(case.to_json())) == {**judged, "evidence": evidence}
