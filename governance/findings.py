"""Findings: what somebody has to look at, whose it is, until when, what it holds back, and how it ended.

A finding blocks the transitions that it names, of its version or, where it says so, of every version of the model.
Closing says how: `fixed`, `accepted` (we live with it) or `false_positive` (there was nothing). The latter two of a
high or critical finding take a second person: nobody who opened it, caused it or made the version waves it through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.lifecycle import TransitionName

SEVERITIES = ("low", "medium", "high", "critical")
SEVERE = frozenset({"high", "critical"})
RESOLUTIONS = ("fixed", "accepted", "false_positive")
DUE_DAYS = {"low": 90, "medium": 30, "high": 14, "critical": 3}
BLOCKABLE = frozenset(
    {
        TransitionName.APPROVE_STAGING,
        TransitionName.DEPLOY_STAGING,
        TransitionName.APPROVE_PRODUCTION,
        TransitionName.PROMOTE_PRODUCTION,
    }
)
TO_PRODUCTION = (TransitionName.APPROVE_PRODUCTION.value, TransitionName.PROMOTE_PRODUCTION.value)

MANUAL, ROLLBACK, BREAK_GLASS, REVIEW_OVERDUE = "manual", "rollback", "break_glass", "review_overdue"
OVERRIDE = "override"
REGRESSION, VALIDATION, DRIFT, NIGHT = "regression", "validation", "drift", "night"
OF_SOMEBODY = frozenset({BREAK_GLASS, ROLLBACK, OVERRIDE})
"""Kinds that somebody brought about by a decision of their own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """request_id: the request that it came out of. opened_by: None for the platform itself. Without a model it is about
    the platform, and whoever watches over that sees it.
    """

    id: str
    model_id: str | None
    version_id: str | None
    kind: str
    severity: str
    title: str
    status: str
    request_id: str | None
    owner_id: str | None
    opened_by: str | None
    due_at: datetime | None
    blocks: tuple[str, ...]
    model_wide: bool
    created_at: datetime

    def to_json(self) -> dict[str, Any]:
        """What the audit log says of it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "title": self.title,
            "status": self.status,
            "ownerId": self.owner_id,
            "dueAt": rendered(self.due_at) if self.due_at else None,
            "blocks": list(self.blocks),
            "modelWide": self.model_wide,
        }


def due(severity: str, at: datetime) -> datetime:
    """When a finding of that severity has to be closed unless somebody says otherwise."""
    return at + timedelta(days=DUE_DAYS[severity])


def checked_severity(severity: str) -> str:
    if severity not in SEVERITIES:
        raise InvalidInput(f"severity is among {', '.join(SEVERITIES)}.", details={"field": "severity"})
    return severity


def checked_blocks(names: Iterable[str]) -> tuple[str, ...]:
    """Raises InvalidInput for what a finding cannot hold back, such as taking a version out of production."""
    wanted = sorted(set(names))
    unknown = [name for name in wanted if name not in BLOCKABLE]
    if unknown:
        known = sorted(name.value for name in BLOCKABLE)
        raise InvalidInput(
            f"A finding cannot block {', '.join(unknown)[:200]}; it can block {', '.join(known)}.",
            details={"field": "blocks", "known": known},
        )
    return tuple(wanted)
