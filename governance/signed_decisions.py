"""Decisions of people as signed statements: what is stored beside a row, and whether the row still says it.

The row is what queries read, the envelope is what counts. A row that somebody wrote or changed by hand has no envelope
that says the same, and no process but the platform can make one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from governance.canonical import rendered
from governance.evidence import Approval
from governance.overrides import Override
from governance.signing import DECISION, OVERRIDE, Envelope, InvalidEnvelope, Signer, opened, sealed


@dataclass(frozen=True)
class Seals:
    """signer: of this process. believed: public keys by id whose signatures count; asked each time, as keys rotate."""

    signer: Callable[[], Signer]
    believed: Callable[[], Mapping[str, bytes]]

    def decision(self, approval: Approval) -> dict[str, Any]:
        """The envelope of a decision, as JSON. Raises DependencyUnavailable."""
        return sealed(self.signer(), DECISION, decision_statement(approval)).to_json()

    def override(self, override: Override) -> dict[str, Any]:
        return sealed(self.signer(), OVERRIDE, override_statement(override)).to_json()

    def holds(self, payload_type: str, said: Mapping[str, Any], envelope: Any) -> bool:
        """Does a believed signature say exactly this? False for no envelope and for anything that is not one."""
        if envelope is None:
            return False
        try:
            payload = opened(Envelope.from_json(envelope), payload_type, self.believed())
            signed = json.loads(payload)
        except (InvalidEnvelope, ValueError, RecursionError):
            return False
        return isinstance(signed, dict) and {**signed, "approverName": None} == {**said, "approverName": None}

    def holds_decision(self, approval: Approval, envelope: Any) -> bool:
        """The name is as it was on that day, and is not compared; the id is."""
        return self.holds(DECISION, decision_statement(approval), envelope)

    def holds_override(self, override: Override, envelope: Any) -> bool:
        return self.holds(OVERRIDE, override_statement(override), envelope)


def decision_statement(approval: Approval) -> dict[str, Any]:
    """The payload (`governance.signing.DECISION`)."""
    return {
        "approvalId": approval.id,
        "requestId": approval.request_id,
        "approverId": approval.approver_id,
        "approverName": approval.approver_name,
        "decision": approval.decision,
        "comment": approval.comment,
        "evidenceDigest": approval.evidence_digest,
        "at": rendered(approval.at),
        "onBehalfOf": approval.on_behalf_of,
    }


def override_statement(override: Override) -> dict[str, Any]:
    """The payload (`governance.signing.OVERRIDE`)."""
    return {
        "overrideId": override.id,
        "requestId": override.request_id,
        "policy": override.policy,
        "policyVersion": override.policy_version,
        "evidenceDigest": override.evidence_digest,
        "reason": override.reason,
        "proposedBy": override.proposed_by,
        "proposedAt": rendered(override.proposed_at),
        "confirmedBy": override.confirmed_by,
        "confirmedAt": rendered(override.confirmed_at) if override.confirmed_at else None,
        "expiresAt": rendered(override.expires_at),
    }
