"""A deployment carries out what people approved, and those people still stand for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.approvals import ApprovalsByRiskTier, approving, standing
from governance.policies.base import Policy, build_policy
from governance.policies.samples import sample_approval, sample_case
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class ApproversStillStand(Policy):
    """The quorum of the approval, counted again with the roles, groups and accounts of now.

    It asks for what was asked for then: the parameters are those that are frozen in what was approved.
    """

    name: ClassVar[str] = "approvers-stand"
    title: ClassVar[str] = "Do those who approved it still stand for it?"
    transitions: ClassVar = frozenset({TransitionName.DEPLOY_STAGING, TransitionName.PROMOTE_PRODUCTION})

    def judge(self, case: Case) -> Verdict:
        if case.approved_subject is None:
            return Failed(("There is no approval to carry out.",))
        named = [one for one in case.approved_subject["policies"] if one["name"] == ApprovalsByRiskTier.name]
        if not named:
            return Failed(("No policy asked people for this approval, so nobody stands for it.",))
        policy = build_policy(ApprovalsByRiskTier, named[0]["parameters"])
        assert isinstance(policy, ApprovalsByRiskTier)  # noqa: S101  (what was built)
        left = [one for one in case.approved_decisions if not standing(one)]
        given = approving([one for one in case.approved_decisions if standing(one)])
        verdict = policy.quorum_of(given, case.approved_subject["model"]["riskTier"], case.group_lines)
        if verdict.outcome == "passed":
            return Passed(verdict.reasons[0])
        gone = [
            one.void or f"{one.who} {'no longer has the role' if one.active else 'is no longer active'}."
            for one in left
        ]
        again = "It has to be approved again."
        return Failed((*dict.fromkeys(gone), *verdict.reasons, again), facts=verdict.facts)

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        promote = TransitionName.PROMOTE_PRODUCTION
        bare = sample_case(promote)
        then = {
            "model": bare.evidence.subject["model"],
            "policies": [{"name": ApprovalsByRiskTier.name, "parameters": ApprovalsByRiskTier().parameters()}],
        }
        approval = sample_approval(bare, "grace")
        approved = replace(bare, approved_subject=then, approved_decisions=(approval,))
        return (
            (approved,),
            (
                bare,
                replace(approved, approved_decisions=()),
                replace(approved, approved_decisions=(replace(approval, roles=()),)),
                replace(approved, approved_decisions=(replace(approval, active=False),)),
                replace(approved, approved_decisions=(replace(approval, void="It is not signed."),)),
                replace(approved, approved_subject={**then, "policies": []}),
            ),
        )
