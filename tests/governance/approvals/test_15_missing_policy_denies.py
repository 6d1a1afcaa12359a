"""Behaviour 15: what no policy judges is denied; an approval without anybody asked for one is not carried out."""

from __future__ import annotations

import pytest

from governance.gates import decide, evaluate_all
from governance.lifecycle import TransitionName
from governance.policies.approvers_stand import ApproversStillStand
from governance.policies.samples import sample_case
from governance.requests import RequestStatus
from storage.repositories.policies import PolicyRepository
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import model_with_version


@pytest.mark.parametrize("transition", TransitionName)
def test_without_a_policy_every_transition_is_denied(transition: TransitionName) -> None:
    decision = decide(evaluate_all([], sample_case(transition)))
    assert decision.outcome == "denied"
    assert decision.reasons == ("No policy applies to this transition, so nobody judged it.",)


def test_a_request_that_no_policy_judges_is_refused(
    registry_under_test: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    r = registry_under_test
    request = r.open(model_with_version(r), "1.0.0", "submit")
    monkeypatch.setattr(PolicyRepository, "active", lambda self: ())
    done = r.settle(request)
    assert done.status is RequestStatus.DENIED
    assert done.outcome["reasons"] == ["No policy applies to this transition, so nobody judged it."]


def test_an_approval_that_asked_nobody_is_not_carried_out() -> None:
    case = sample_case(TransitionName.PROMOTE_PRODUCTION, approved={"policies": [], "model": {"riskTier": "Low"}})
    assert ApproversStillStand().judge(case).outcome == "failed"
