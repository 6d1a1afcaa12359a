"""Behaviour 5: an approval is of exactly this, by people who still stand for it; any change asks for another one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import ApprovalInvalidated
from governance.operations import delegations, registry
from governance.operations.delegations import NewDelegation
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.approvals.deciding import frozen, newcomer, settled, vote
from tests.governance.operations.situations import evidence_of, parked, query, step

Change = Callable[[RegistryUnderTest, TransitionRequest, Principal], Any]


def the_policy_version(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.publish("completeness", {"minimum_description": 11})


def the_quorum(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.publish("approvals", {"quorum": {"Low": 2, "Medium": 2, "High": 3}})


def the_risk_tier(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    query(r, "update models set risk_tier = 'Medium' where id = %s", request.model_id)


def the_metadata(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "license": "MIT"}, None)


def the_weights(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.attach(request.model_id, "1.0.0", b"other weights", replace=True)


def the_evaluation(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    step(r, request.model_id, "1.0.0", "evaluate")


def evaluation_expires(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.later(days=31)


def the_role(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.change(approver.id, roles=["viewer"])


def the_account(r: RegistryUnderTest, request: TransitionRequest, approver: Principal) -> None:
    r.change(approver.id, active=False)


CONTENT: list[Change] = [the_policy_version, the_quorum, the_risk_tier, the_metadata, the_weights]
PEOPLE: list[Change] = [the_role, the_account]


@pytest.mark.parametrize("change", [*CONTENT, the_evaluation, evaluation_expires, *PEOPLE])
def test_between_approving_and_settling(registry_under_test: RegistryUnderTest, change: Change) -> None:
    r = registry_under_test
    request, approver = parked(r), newcomer(r)
    vote(r, request, approver)
    change(r, request, approver)
    done = settled(r, request)
    kind = "waiting" if change in PEOPLE else "settled" if change is evaluation_expires else "changed"
    status = RequestStatus.DENIED if kind == "settled" else RequestStatus.AWAITING_APPROVAL
    assert (done.kind, done.status) == (kind, status), done
    assert r.state(request.model_id, "1.0.0") == "staging"


@pytest.mark.parametrize("change", [*CONTENT, the_evaluation, evaluation_expires, *PEOPLE])
def test_between_approval_and_execution(registry_under_test: RegistryUnderTest, change: Change) -> None:
    """Approved is not deployed: what was approved, and by whom, is looked at again when it is."""
    r = registry_under_test
    request, approver = parked(r), newcomer(r)
    vote(r, request, approver)
    assert settled(r, request).status is RequestStatus.APPLIED
    change(r, request, approver)
    if change in CONTENT or change is the_evaluation:
        with pytest.raises(ApprovalInvalidated) as refusal:
            r.open(request.model_id, "1.0.0", "promote_production")
        assert refusal.value.details["difference"]
    else:
        promoting = r.open(request.model_id, "1.0.0", "promote_production")
        done = r.settle(promoting, evidence_of(r, promoting))
        assert done.status is RequestStatus.DENIED, done
        words = " ".join(done.outcome["reasons"])
        told: dict[Change, str] = {the_role: "no longer has the role", the_account: "no longer active"}
        said = told.get(change, "days ago")
        assert said in words, words
    assert r.state(request.model_id, "1.0.0") == "approved_prod"
    if change is the_role:  # who has it again stands for it again
        r.change(approver.id, roles=["approver"])
        promoting = r.open(request.model_id, "1.0.0", "promote_production")
        assert r.settle(promoting, evidence_of(r, promoting)).status is RequestStatus.APPLIED


@pytest.mark.parametrize("kept", [1, 2])
def test_a_quorum_that_is_left_without_one_of_its_people_stands(
    registry_under_test: RegistryUnderTest, kept: int
) -> None:
    """Medium takes two: of three who approved one may go, of two none."""
    r = registry_under_test
    request, approver = parked(r, risk_tier="Medium"), newcomer(r)
    for person in (approver, r.grace, r.alan)[: kept + 1]:
        vote(r, request, person)
    assert settled(r, request).status is RequestStatus.APPLIED
    r.change(approver.id, active=False)
    promoting = r.open(request.model_id, "1.0.0", "promote_production")
    done = r.settle(promoting, evidence_of(r, promoting))
    assert (done.status is RequestStatus.APPLIED) is (kept == 2), done


def test_a_revoked_delegation_takes_its_decision_along(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request, stand_in = parked(r), newcomer(r, (Role.VIEWER,), "lab")
    new = NewDelegation(stand_in.name, r.at + timedelta(days=3))
    given = delegations.delegate(r.unit(), r.call(r.grace), new)
    vote(r, request, stand_in, on_behalf_of=r.grace.id)
    delegations.revoke(r.unit(), r.call(r.grace), given)
    done = settled(r, request)
    assert done.kind == "waiting"
    assert "the delegation was taken back" in " ".join(done.outcome["reasons"])
    assert frozen(r, request).digest == request.evidence_digest


def test_an_approval_that_was_rewritten_in_the_database_is_not_carried_out(
    registry_under_test: RegistryUnderTest,
) -> None:
    r = registry_under_test
    request = parked(r)
    vote(r, request, r.grace)
    assert settled(r, request).status is RequestStatus.APPLIED
    query(r, "update approvals set comment = 'By all means.' where request_id = %s", request.id)
    promoting = r.open(request.model_id, "1.0.0", "promote_production")
    done = r.settle(promoting, evidence_of(r, promoting))
    assert done.status is RequestStatus.DENIED
    assert "not signed by this platform" in " ".join(done.outcome["reasons"])
