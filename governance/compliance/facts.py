"""What is known about one version on one date, as controls ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class OpenFinding:
    id: str
    severity: str
    title: str
    due_at: datetime | None


@dataclass(frozen=True)
class Facts:
    """`metadata`, `verdicts` and `metrics` are those of the evidence under which the version was approved for
    production; without such a decision they are what the registry holds now, and `decision_id` is None.

    verdicts: outcome by policy name. metrics: how many values each family holds, by family ("taskMetrics", ...).
    approvers: {"name", "groups", "roles"} of everybody whose approval is recorded for that evidence.
    audit_months: how long entries of the audit log are kept, None for ever.
    """

    model_id: str
    model_name: str
    group: str
    risk_tier: str
    owners: tuple[str, ...]
    version_id: str
    version: str
    state: str
    as_of: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    production_since: datetime | None = None
    decision_id: str | None = None
    decided_at: datetime | None = None
    evidence_digest: str | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, int] = field(default_factory=dict)
    approvers: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[OpenFinding, ...] = ()
    review_due: datetime | None = None
    restorable: bool = False
    audit_months: int | None = None

    @property
    def card(self) -> Mapping[str, Any]:
        card = self.metadata.get("modelCard")
        return card if isinstance(card, Mapping) else {}

    @property
    def model_type(self) -> str:
        found = self.metadata.get("modelType")
        return found.strip().lower() if isinstance(found, str) else ""

    @property
    def declared(self) -> Mapping[str, Any]:
        """What its owners say about their duties: `metadata.compliance`."""
        found = self.metadata.get("compliance")
        return found if isinstance(found, Mapping) else {}
