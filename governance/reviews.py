"""Reviews of approvals: by when somebody has to look again at what was approved for production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Review:
    """`request_id`: the approval. `finding_id`: opened when the review was overdue; `escalated`: it was made high."""

    id: str
    model_id: str
    version_id: str
    request_id: str
    due_at: datetime
    finding_id: str | None
    escalated: bool
