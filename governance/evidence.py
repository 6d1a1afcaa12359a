"""The frozen facts that gates judge and people approve.

`Evidence` has two halves. The *subject* is what the registry's own tables say about the version; it can be
recomputed in one query and is compared again inside the settling transaction. The *measured* half needs I/O
outside the database (bytes re-read from storage, formats inspected, outcomes compared with the incumbent's) and is
gathered by the flow. One digest over both is what an approval binds to. Nothing in it depends on when it was
gathered, so gathering twice without a change gives the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from governance.canonical import digest_of, rendered
from governance.circumstances import Circumstances
from governance.duties import Involvement
from governance.lifecycle import TransitionName

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Facts about one version for one transition.

    subject: {"transition", "model": {...}, "version": {...}, "artifacts": [...], "evaluations": [...],
              "policies": [...], "target": {...} | None, "incumbent": {"versionId", "version"} | None}
    measured: {"artifacts": [{"id", "storedSha256" | None, "format", "safe", "reason"}],
               "comparisons": [{"suiteId", "conclusion", ...}], ...}
    """

    subject: Json
    measured: Json

    @cached_property
    def digest(self) -> str:
        return digest_of({"subject": self.subject, "measured": self.measured})

    @cached_property
    def subject_digest(self) -> str:
        return digest_of(self.subject)

    def to_json(self) -> dict[str, Any]:
        return {"subject": dict(self.subject), "measured": dict(self.measured)}

    @classmethod
    def from_json(cls, value: Json) -> Evidence:
        return cls(subject=value["subject"], measured=value["measured"])


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's decision about one digest. `groups` and `roles` are those held when it was counted.

    on_behalf_of: the person for whom it was made, whose roles and groups these are then. active: everybody in it still
    is. void: a sentence that says why the decision counts for nothing, None while it may count.
    """

    id: str
    request_id: str
    approver_id: str
    approver_name: str
    decision: str  # "approve" | "reject" | "request_changes"
    comment: str
    evidence_digest: str
    at: datetime
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    active: bool = True
    on_behalf_of: str | None = None
    on_behalf_of_name: str | None = None
    void: str | None = None

    @property
    def who(self) -> str:
        """E.g. "bob for ann"."""
        return f"{self.approver_name} for {self.on_behalf_of_name}" if self.on_behalf_of else self.approver_name

    @property
    def people(self) -> frozenset[str]:
        """Everybody who stands behind it, by id."""
        return frozenset({self.approver_id} | ({self.on_behalf_of} if self.on_behalf_of else set()))


@dataclass(frozen=True)
class Case:
    """Everything that a gate may look at: evidence, who asked and why, the decisions so far, and the time.

    `approved_subject` is the subject frozen in the approval that this transition carries out (deploying after
    an approval), None where there is none; `current_approved_subject` is the same subject as it stands now.
    `approved_decisions`: the decisions behind that approval, with their people's roles and groups of now.
    `waived`: the soft policies (name, version) that two people overrode for this request.
    `around`: what binds a transition beside the evidence, and may change without voiding an approval.
    """

    transition: TransitionName
    evidence: Evidence
    requester_id: str
    reason: str
    approvals: tuple[Approval, ...]
    as_of: datetime
    involved: tuple[Involvement, ...] = ()
    group_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    approved_subject: Json | None = None
    current_approved_subject: Json | None = None
    waived: frozenset[tuple[str, int]] = frozenset()
    approved_decisions: tuple[Approval, ...] = ()
    around: Circumstances = field(default_factory=Circumstances)

    @property
    def risk_tier(self) -> str:
        return str(self.evidence.subject["model"]["riskTier"])

    def to_json(self) -> dict[str, Any]:
        """Everything that was judged, to judge it again years later (`from_json`)."""
        return {
            "transition": self.transition.value,
            "evidence": self.evidence.to_json(),
            "requesterId": self.requester_id,
            "reason": self.reason,
            "approvals": [_approval_json(approval) for approval in self.approvals],
            "asOf": rendered(self.as_of),
            "involved": [asdict(one) for one in self.involved],
            "groupLines": {group: list(line) for group, line in sorted(self.group_lines.items())},
            "approvedSubject": self.approved_subject,
            "currentApprovedSubject": self.current_approved_subject,
            "waived": [list(one) for one in sorted(self.waived)],
            "approvedDecisions": [_approval_json(approval) for approval in self.approved_decisions],
            "around": self.around.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> Case:
        return cls(
            transition=TransitionName(value["transition"]),
            evidence=Evidence.from_json(value["evidence"]),
            requester_id=value["requesterId"],
            reason=value["reason"],
            approvals=tuple(_approval(item) for item in value["approvals"]),
            as_of=datetime.fromisoformat(value["asOf"]),
            involved=tuple(Involvement(**item) for item in value["involved"]),
            group_lines={group: tuple(line) for group, line in value["groupLines"].items()},
            approved_subject=value["approvedSubject"],
            current_approved_subject=value["currentApprovedSubject"],
            waived=frozenset((name, version) for name, version in value["waived"]),
            approved_decisions=tuple(_approval(item) for item in value.get("approvedDecisions", ())),
            around=Circumstances.from_json(value.get("around")),
        )


def _approval_json(approval: Approval) -> dict[str, Any]:
    return {**asdict(approval), "at": rendered(approval.at)}


def _approval(value: Json) -> Approval:
    lists = {name: tuple(value[name]) for name in ("roles", "groups")}
    return Approval(**{**value, **lists, "at": datetime.fromisoformat(value["at"])})
