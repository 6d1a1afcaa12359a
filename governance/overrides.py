"""Overriding a soft gate: two people, a reason, for exactly one evidence, until a date.

A hard gate is never overridden, whoever asks: the way past one is to change what it judges, or to change the policy,
which is a gated change of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from governance.errors import Conflict, HardGate
from governance.gates import GateResult

LONGEST = timedelta(days=14)
SHORTEST_REASON = 20  # characters; a word is no reason


@dataclass(frozen=True, slots=True)
class Override:
    """Proposed by one person, in force once `confirmed_by` is another one, until `expires_at`."""

    id: str
    request_id: str
    policy: str
    policy_version: int
    evidence_digest: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    finding_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For the audit log."""
        return {
            "policy": self.policy,
            "policyVersion": self.policy_version,
            "reason": self.reason,
            "proposedBy": self.proposed_by,
            "confirmedBy": self.confirmed_by,
            "expiresAt": self.expires_at.isoformat(),
        }


def check_overridable(results: Sequence[GateResult], policy: str, version: int) -> GateResult:
    """The gate, if it is a soft one that blocks. Raises HardGate, Conflict."""
    gate = next((one for one in results if (one.policy, one.policy_version) == (policy, version)), None)
    if gate is None:
        raise Conflict(
            f"No gate {policy[:200]!r} of version {version} judges this request.",
            details={"gates": [{"policy": one.policy, "policyVersion": one.policy_version} for one in results]},
        )
    if gate.enforcement == "hard":
        raise HardGate(
            f"{gate.title} This gate is hard: nobody overrides it, administrators included. Change what it judges.",
            details={"policy": policy, "enforcement": "hard"},
        )
    if gate.enforcement == "advisory" or gate.verdict.outcome == "passed":
        raise Conflict(f"{gate.title} This gate does not block; there is nothing to override.")
    if gate.about_people:
        raise Conflict(f"{gate.title} People's decisions are given, not overridden.")
    return gate
