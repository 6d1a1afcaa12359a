"""Enough people, none of them the requester, approved exactly this evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from governance.access.roles import REVIEWERS, Role
from governance.duties import come_from, conflicts
from governance.evidence import Approval, Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_approval, sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Unknown, Verdict


def _said(veto: Approval) -> str:
    what = "rejected it" if veto.decision == "reject" else "asks for changes"
    return f"{veto.who} {what}: {veto.comment}"


def counting(case: Case) -> list[Approval]:
    """The decisions about exactly this evidence by people who may decide, and had no part in making it.

    What a delegate decided gives way to what the person behind it decided.
    """
    found = [approval for approval in case.approvals if _counts(approval, case)]
    themselves = {approval.approver_id for approval in found if approval.on_behalf_of is None}
    return [approval for approval in found if approval.on_behalf_of not in themselves]


def approving(decisions: Sequence[Approval]) -> list[Approval]:
    """The approvals among these, nobody standing behind two of them, whether as a delegate or for themselves."""
    chosen: list[Approval] = []
    taken: set[str] = set()
    for approval in sorted(decisions, key=lambda one: (one.on_behalf_of is not None, one.at, one.id)):
        if approval.decision == "approve" and taken.isdisjoint(approval.people):
            chosen.append(approval)
            taken |= approval.people
    return chosen


def not_counted(case: Case) -> str:
    """Why decisions about this evidence are not counted, as sentences to follow others; empty when all are."""
    voids = dict.fromkeys(a.void for a in case.approvals if a.void and a.evidence_digest == case.evidence.digest)
    return "".join(f" {void}" for void in voids)


def _counts(approval: Approval, case: Case) -> bool:
    return (
        standing(approval)
        and case.requester_id not in approval.people
        and not any(conflicts(case.involved, person) for person in approval.people)
        and approval.evidence_digest == case.evidence.digest
    )


def standing(approval: Approval) -> bool:
    """Is it a decision of ours, by people who are still there and still have the role?"""
    return approval.void is None and approval.active and not REVIEWERS.isdisjoint(approval.roles)


@dataclass(frozen=True)
class ApprovalsByRiskTier(Policy):
    """Quorum by risk tier. One refusal or request for changes refuses; too few approvals is Unknown: the run waits.

    validators: how many of those who approve have the role of independent model validation.
    """

    name: ClassVar[str] = "approvals"
    title: ClassVar[str] = "Have enough people approved exactly this?"
    kind: ClassVar[Kind] = "access"
    transitions: ClassVar = frozenset({TransitionName.APPROVE_STAGING, TransitionName.APPROVE_PRODUCTION})
    about_people: ClassVar[bool] = True
    quorum: dict[str, int] = field(default_factory=lambda: {"Low": 1, "Medium": 2, "High": 3})
    minimum_groups: dict[str, int] = field(default_factory=lambda: {"Low": 1, "Medium": 1, "High": 2})
    validators: dict[str, int] = field(default_factory=lambda: {"Low": 0, "Medium": 0, "High": 1})

    def judge(self, case: Case) -> Verdict:
        counted = counting(case)
        vetoes = [a for a in counted if a.decision in ("reject", "request_changes")]
        if vetoes:
            rejected = any(a.decision == "reject" for a in vetoes)
            return Failed(tuple(map(_said, vetoes)), facts={} if rejected else {"changesRequested": True})
        return self.quorum_of(approving(counted), case.risk_tier, case.group_lines, not_counted(case))

    def quorum_of(
        self, given: Sequence[Approval], tier: str, lines: Mapping[str, tuple[str, ...]], note: str = ""
    ) -> Verdict:
        """Are these approvals enough? `given`: each by somebody else. note: follows what is said."""
        needed, groups_needed = max(1, self.quorum[tier]), self.minimum_groups[tier]
        groups = sorted({group for approval in given for group in approval.groups})
        names = ", ".join(sorted(approval.who for approval in given)) or "nobody"
        facts = {"needed": needed, "given": len(given)}
        if len(given) < needed:
            return Unknown(f"Risk tier {tier} needs {needed} approval(s); so far: {names}.{note}", facts=facts)
        if not come_from([approval.groups for approval in given], groups_needed, lines):
            return Unknown(
                f"Risk tier {tier} needs approvers who speak for {groups_needed} groups; so far: "
                f"{', '.join(groups) or 'none'}.{note}",
                facts={**facts, "neededGroups": groups_needed, "groups": groups},
            )
        validators = [approval for approval in given if Role.VALIDATOR in approval.roles]
        if len(validators) < self.validators[tier]:
            return Unknown(
                f"Risk tier {tier} needs {self.validators[tier]} approval(s) by independent model validation; so far: "
                f"{', '.join(sorted(approval.who for approval in validators)) or 'nobody'}.{note}",
                facts={**facts, "neededValidators": self.validators[tier], "validators": len(validators)},
            )
        people = sorted(approval.on_behalf_of or approval.approver_id for approval in given)
        return Passed(f"Approved by {names}.{note}", facts={"approvers": people})

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_STAGING

        def case(tier: str, *people: tuple[str, str], decision: str = "approve") -> Case:
            bare = sample_case(ask, model={"riskTier": tier})
            votes = tuple(
                replace(
                    sample_approval(bare, who, group, decision=decision),
                    roles=(Role.VALIDATOR if who == "edsger" else Role.APPROVER,),
                )
                for who, group in people
            )
            return sample_case(ask, model={"riskTier": tier}, approvals=votes)

        three = (("grace", "risk"), ("alan", "risk"), ("edsger", "clinical"))
        stale = sample_case(ask, model={"tags": ["other"]})
        return (
            (case("Low", three[0]), case("Medium", *three[:2]), case("High", *three)),
            (
                case("Low"),
                case("Low", ("u-dev", "risk")),
                case("Medium", three[0]),
                case("High", ("grace", "risk"), ("alan", "risk"), ("edsger", "risk")),
                case("High", ("grace", "risk"), ("alan", "risk"), ("barbara", "clinical")),
                case("Low", three[0], decision="reject"),
                case("Low", three[0], decision="request_changes"),
                sample_case(ask, approvals=(sample_approval(stale, "grace"),)),
            ),
        )
