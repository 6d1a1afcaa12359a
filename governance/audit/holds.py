"""Legal holds: what may not be removed from the log, whatever its retention says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from governance.canonical import rendered
from governance.errors import InvalidInput

Scope = Literal["log", "model", "subject"]

PLACED, RELEASED = "audit:hold:placed", "audit:hold:released"


@dataclass(frozen=True, slots=True)
class Hold:
    """scope log: everything; model: what is about `model_id`; subject: what is about, or was done by, `subject_id`.

    until: when it ends by itself; None holds until somebody releases it. Raises InvalidInput.
    """

    id: str
    scope: Scope
    reason: str
    model_id: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.scope not in ("log", "model", "subject"):
            raise InvalidInput("scope is log, model or subject.", details={"field": "scope"})
        if not self.reason.strip() or len(self.reason) > 2000:
            raise InvalidInput("A hold has a reason of at most 2,000 characters.", details={"field": "reason"})
        if (self.scope == "model") != (self.model_id is not None):
            raise InvalidInput("modelId belongs to scope model, and only there.", details={"field": "modelId"})
        subject = (self.subject_kind is not None, self.subject_id is not None)
        if subject != (self.scope == "subject",) * 2:
            raise InvalidInput(
                "subjectKind and subjectId belong to scope subject, and only there.", details={"field": "subjectId"}
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "scope": self.scope,
            "modelId": self.model_id,
            "subjectKind": self.subject_kind,
            "subjectId": self.subject_id,
            "reason": self.reason,
            "until": rendered(self.until.astimezone(UTC)) if self.until is not None else None,
        }
