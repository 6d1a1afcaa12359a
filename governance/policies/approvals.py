"""Enough people, none of them the requester, approved exactly this evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from governance.access.roles import REVIEWERS
from governance.duties import come_from, conflicts
from governance.evidence import Approval, Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_approval, sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Unknown, Verdict


def _said(veto: Approval) -> str:
    what = "rejected it" if veto.decision == "reject" else "asks for changes"
    return f"{veto.approver_name} {what}: {veto.comment}"


def counting(case: Case) -> list[Approval]:
    """The decisions about exactly this evidence by people who may decide, and had no part in making it."""
    return [approval for approval in case.approvals if _counts(approval, case)]


def _counts(approval: Approval, case: Case) -> bool:
    return (
        approval.active
        and not REVIEWERS.isdisjoint(approval.roles)
        and approval.approver_id != case.requester_id
        and not conflicts(case.involved, approval.approver_id)
        and approval.evidence_digest == case.evidence.digest
    )


@dataclass(frozen=True)
class ApprovalsByRiskTier(Policy):
    """Quorum by risk tier. One refusal or request for changes refuses; too few approvals is Unknown: the run waits."""

    name: ClassVar[str] = "approvals"
    title: ClassVar[str] = "Have enough people approved exactly this?"
    kind: ClassVar[Kind] = "access"
    transitions: ClassVar = frozenset({TransitionName.APPROVE_STAGING, TransitionName.APPROVE_PRODUCTION})
    about_people: ClassVar[bool] = True
    quorum: dict[str, int] = field(default_factory=lambda: {"Low": 1, "Medium": 2, "High": 3})
    minimum_groups: dict[str, int] = field(default_factory=lambda: {"Low": 1, "Medium": 1, "High": 2})

    def judge(self, case: Case) -> Verdict:
        needed, groups_needed = self.quorum[case.risk_tier], self.minimum_groups[case.risk_tier]
        counted = counting(case)
        vetoes = [a for a in counted if a.decision in ("reject", "request_changes")]
        if vetoes:
            rejected = any(a.decision == "reject" for a in vetoes)
            return Failed(tuple(map(_said, vetoes)), facts={} if rejected else {"changesRequested": True})
        people = {a.approver_id: a for a in counted if a.decision == "approve"}
        groups = {group for a in people.values() for group in a.groups}
        names = ", ".join(sorted(a.approver_name for a in people.values())) or "nobody"
        if len(people) < max(1, needed):
            return Unknown(
                f"Risk tier {case.risk_tier} needs {max(1, needed)} approval(s); so far: {names}.",
                facts={"needed": needed, "given": len(people)},
            )
        if not come_from([a.groups for a in people.values()], groups_needed, case.group_lines):
            return Unknown(
                f"Risk tier {case.risk_tier} needs approvers who speak for {groups_needed} groups; so far: "
                f"{', '.join(sorted(groups)) or 'none'}.",
                facts={"neededGroups": groups_needed, "groups": sorted(groups)},
            )
        return Passed(f"Approved by {names}.", facts={"approvers": sorted(people)})

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_STAGING

        def case(tier: str, *people: tuple[str, str], decision: str = "approve") -> Case:
            bare = sample_case(ask, model={"riskTier": tier})
            votes = tuple(sample_approval(bare, who, group, decision=decision) for who, group in people)
            return sample_case(ask, model={"riskTier": tier}, approvals=votes)

        three = (("grace", "risk"), ("alan", "risk"), ("edsger", "clinical"))
        stale = sample_case(ask, model={"tags": ["other"]})
        return (
            (case("Low", three[0]), case("Medium", *three[:2]), case("High", *three)),
            (
                case("Low"),
                case("Low", ("u-dev", "risk")),
                case("Medium", three[0]),
                case("High", ("grace", "risk"), ("alan", "risk"), ("barbara", "risk")),
                case("Low", three[0], decision="reject"),
                case("Low", three[0], decision="request_changes"),
                sample_case(ask, approvals=(sample_approval(stale, "grace"),)),
            ),
        )
