"""Who counts towards a quorum: distinct, active reviewers but the requester, about this very evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from governance.access.roles import Role
from governance.evidence import Approval, Case
from governance.gates import decide, evaluate
from governance.lifecycle import TransitionName
from governance.policies import ActivePolicy
from governance.policies.approvals import ApprovalsByRiskTier
from governance.policies.samples import sample_approval, sample_case

ASK = TransitionName.APPROVE_PRODUCTION


def case(tier: str, *approvals: Approval) -> Case:
    return sample_case(ASK, model={"riskTier": tier}, approvals=approvals)


def vote(tier: str, who: str, *groups: str, decision: str = "approve") -> Approval:
    approval = sample_approval(case(tier), who, *groups, decision=decision)
    return replace(approval, roles=(Role.VALIDATOR,)) if who in ("person-0", "a", "alan") else approval


def outcome(tier: str, *approvals: Approval, policy: ApprovalsByRiskTier | None = None) -> str:
    result = evaluate(ActivePolicy(policy or ApprovalsByRiskTier(), 1), case(tier, *approvals))
    assert "could not be applied" not in result.verdict.reasons[0]
    return decide([result]).outcome


@pytest.mark.parametrize(
    ("tier", "groups", "expected"),
    [
        ("Low", [], "waiting"),
        ("Low", ["risk"], "allowed"),
        ("Medium", ["risk"], "waiting"),
        ("Medium", ["risk", "risk"], "allowed"),
        ("High", ["risk", "clinical"], "waiting"),
        ("High", ["risk", "risk", "risk"], "waiting"),
        ("High", ["risk", "risk", "clinical"], "allowed"),
        ("High", ["risk", "clinical", "legal", "it"], "allowed"),
    ],
)
def test_quorum_by_risk_tier(tier: str, groups: list[str], expected: str) -> None:
    votes = [vote(tier, f"person-{number}", group) for number, group in enumerate(groups)]
    assert outcome(tier, *votes) == expected


def test_one_person_counts_once_however_often_they_decide() -> None:
    once = vote("Medium", "grace")
    assert outcome("Medium", once, replace(once, id="again"), replace(once, id="and-again")) == "waiting"


SPOILED: dict[str, Callable[[Approval], Approval]] = {
    "about other evidence": lambda vote: replace(vote, evidence_digest="sha256:" + "0" * 64),
    "about no evidence": lambda vote: replace(vote, evidence_digest=""),
    "a developer by now": lambda vote: replace(vote, roles=(Role.ML_ENGINEER, Role.DATA_SCIENTIST)),
    "no longer active": lambda vote: replace(vote, active=False),
    "nothing by now": lambda vote: replace(vote, roles=()),
    "the requester": lambda vote: replace(vote, approver_id="u-dev"),
    "an unknown decision": lambda vote: replace(vote, decision="abstain"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=list(SPOILED))
def test_approvals_that_do_not_count(spoil: Callable[[Approval], Approval]) -> None:
    assert outcome("Low", spoil(vote("Low", "grace"))) == "waiting"
    # and they do not lift a quorum that is one short
    assert outcome("Medium", vote("Medium", "alan"), spoil(vote("Medium", "grace"))) == "waiting"
    # nor bring in the second group
    three = [vote("High", name, "risk") for name in ("alan", "edsger", "barbara")]
    assert outcome("High", *three, spoil(vote("High", "grace", "clinical"))) == "waiting"


def test_an_administrator_may_review() -> None:
    assert outcome("Low", replace(vote("Low", "root"), roles=(Role.CATALOG_ADMIN,))) == "allowed"


def test_one_rejection_refuses_however_many_approve() -> None:
    votes = [vote("Low", name) for name in ("alan", "edsger", "barbara")]
    veto = replace(vote("Low", "grace", decision="reject"), comment="Not on these data.")
    for order in ([veto, *votes], [*votes, veto]):
        result = evaluate(ActivePolicy(ApprovalsByRiskTier(), 1), case("Low", *order))
        assert result.verdict.outcome == "failed"
        assert "Not on these data." in result.verdict.reasons[0]


@pytest.mark.parametrize("spoil", list(SPOILED.values())[:5], ids=list(SPOILED)[:5])
def test_a_rejection_counts_by_the_same_rules(spoil: Callable[[Approval], Approval]) -> None:
    veto = spoil(vote("Low", "grace", decision="reject"))
    assert outcome("Low", vote("Low", "alan"), veto) == "allowed"


def test_no_parameter_makes_approval_superfluous() -> None:
    nothing = {"Low": 0, "Medium": 0, "High": 0}
    assert outcome("Low", policy=ApprovalsByRiskTier(quorum=nothing, minimum_groups=nothing)) == "waiting"


def test_groups_are_counted_among_those_who_approve() -> None:
    veterans = [vote("High", name, "risk", "risk") for name in ("alan", "grace", "edsger")]
    assert outcome("High", *veterans) == "waiting", "naming a group twice makes no second group"
    homeless = [replace(vote("High", name), groups=()) for name in ("a", "b", "c")]
    assert outcome("High", *homeless) == "waiting"


def test_what_is_missing_is_said() -> None:
    policy = ApprovalsByRiskTier()
    verdict = policy.judge(case("High", vote("High", "grace", "risk")))
    assert "3 approval(s)" in verdict.reasons[0]
    assert "grace" in verdict.reasons[0]
    three = [vote("High", name, "risk") for name in ("alan", "grace", "barbara")]
    assert "2 groups" in policy.judge(case("High", *three)).reasons[0]


def test_a_risk_tier_that_nobody_defined_is_not_waved_through() -> None:
    result = evaluate(ActivePolicy(ApprovalsByRiskTier(), 1), case("Extreme", vote("Extreme", "grace")))
    assert decide([result]).outcome == "denied"
