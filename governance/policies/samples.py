"""Cases for the samples that each policy ships: a version with nothing wrong, and ways to spoil it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from governance.access.roles import Role
from governance.circumstances import Circumstances
from governance.evidence import Approval, Case, Evidence
from governance.lifecycle import TransitionName

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
WEIGHTS = "a" * 64


def sample_case(
    transition: TransitionName,
    *,
    model: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    subject: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
    approvals: tuple[Approval, ...] = (),
    reason: str = "",
    approved: Mapping[str, Any] | None = None,
    current: Mapping[str, Any] | None = None,
    around: Circumstances | None = None,
) -> Case:
    """A case in which every shipped policy of `transition` passes, with the given parts replaced."""
    evidence = Evidence(
        subject={
            "transition": transition.value,
            "model": {
                "id": "m1",
                "name": "credit-risk",
                "group": "retail",
                "description": "Scores the risk that a loan is not paid back.",
                "owners": ["ada@example.org"],
                "riskTier": "Low",
                "tags": [],
                **(model or {}),
            },
            "version": {
                "id": "v2",
                "version": "2.0.0",
                "commitSha": "0" * 40,
                "trainingJobId": None,
                "metadata": {
                    "license": "Apache-2.0",
                    "modelCard": {
                        "intendedUse": "Pre-screening of loan requests.",
                        "limitations": "Not for business loans.",
                        "trainingData": "Loans of 2020 to 2024.",
                    },
                    **(metadata or {}),
                },
            },
            "artifacts": [{"id": "a1", "type": "weights", "name": "model.onnx", "sha256": WEIGHTS, "size": 1024}],
            "evaluations": [sample_evaluation()],
            "policies": [],
            "target": None,
            "incumbent": None,
            "restores": None,
            "serving": [],
            **(subject or {}),
        },
        measured={
            "artifacts": [
                {"id": "a1", "storedSha256": WEIGHTS, "format": "onnx", "safe": True, "reason": "valid ONNX"}
            ],
            "comparisons": [],
            **(measured or {}),
        },
    )
    return Case(
        transition=transition,
        evidence=evidence,
        requester_id="u-dev",
        reason=reason,
        approvals=approvals,
        as_of=NOON,
        approved_subject=approved,
        current_approved_subject=current,
        around=around or Circumstances(opened_at=NOON),
    )


def sample_evaluation(**changes: Any) -> dict[str, Any]:
    return {
        "suiteId": "s1",
        "suiteName": "holdout",
        "suiteDigest": "sha256:" + "c" * 64,
        "evaluationId": "e1",
        "executedAt": "2026-01-14T12:00:00Z",
        "weightsSha256": WEIGHTS,
        "taskMetrics": {"accuracy": 0.95},
        "thresholds": {"accuracy": {"min": 0.9}},
        **changes,
    }


def sample_approval(case: Case, approver: str, *groups: str, decision: str = "approve") -> Approval:
    return Approval(
        id=f"d-{approver}",
        request_id="r1",
        approver_id=approver,
        approver_name=approver,
        decision=decision,
        comment="",
        evidence_digest=case.evidence.digest,
        at=NOON,
        roles=(Role.APPROVER,),
        groups=groups or ("risk",),
    )
