"""A request to move a version, from opening to its one outcome.

    open ──► judging ──► awaiting_approval ──► judging ──► applied | denied
      └──────────┴──────────────┴──► withdrawn

`open`: recorded, its flow not begun. `judging`: a flow is collecting and judging. `awaiting_approval`: evidence is
frozen and shown, the run is suspended. The last three are final and never change again (the database refuses it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from governance.lifecycle import TransitionName


class RequestStatus(StrEnum):
    OPEN = "open"
    JUDGING = "judging"
    AWAITING_APPROVAL = "awaiting_approval"
    APPLIED = "applied"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


UNDECIDED = frozenset({RequestStatus.OPEN, RequestStatus.JUDGING, RequestStatus.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True)
class TransitionRequest:
    """`attempt` counts the flow runs launched for it; `evidence` is the frozen set that is shown to approvers."""

    id: str
    model_id: str
    version_id: str
    transition: TransitionName
    status: RequestStatus
    requester_id: str
    reason: str
    attempt: int
    flow_run_id: str | None
    evidence: Mapping[str, Any] | None
    evidence_digest: str | None
    outcome: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime
    break_glass: bool = False

    @classmethod
    def opened(
        cls,
        request_id: str,
        *,
        model_id: str,
        version_id: str,
        transition: TransitionName,
        requester_id: str,
        reason: str,
        at: datetime,
        break_glass: bool = False,
    ) -> TransitionRequest:
        """A new one: nobody has judged it, no run works on it."""
        return cls(
            id=request_id,
            model_id=model_id,
            version_id=version_id,
            transition=transition,
            status=RequestStatus.OPEN,
            requester_id=requester_id,
            reason=reason,
            attempt=1,
            flow_run_id=None,
            evidence=None,
            evidence_digest=None,
            outcome=None,
            created_at=at,
            updated_at=at,
            break_glass=break_glass,
        )

    @property
    def undecided(self) -> bool:
        return self.status in UNDECIDED
