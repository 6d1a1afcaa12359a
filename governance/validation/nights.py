"""A night: every active version validated once, cut into batches that any number of workers take.

Active is what serves or is on its way there: staging, approved for production, production. A night has a date, and
each date has one night; doing it again finds that it is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from governance.lifecycle import VersionState

Trigger = Literal["schedule", "request", "watch"]
ACTIVE = (VersionState.STAGING, VersionState.APPROVED_PROD, VersionState.PRODUCTION)
MOST_ATTEMPTS = 3  # of a batch whose run was lost; what kills its worker every time shall not do so for ever
SHARES, FEWEST_OF_BATCH = 16, 25
GRACE = timedelta(minutes=30)  # after the scheduled time, before a night counts as missed

T = TypeVar("T")


class NightStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Night:
    """deadline_at: when it ends, with or without the batches that are not done then."""

    id: str
    night: date
    trigger: str
    status: NightStatus
    models: int
    batches: int
    started_at: datetime
    deadline_at: datetime
    flow_run_id: str | None = None
    attempt: int = 1
    completed_at: datetime | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a night. status: "queued", "running", "done", or "given_up" after MOST_ATTEMPTS."""

    night_id: str
    number: int
    status: str
    attempt: int
    flow_run_id: str | None
    started_at: datetime | None = None


def cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Parts of at most `size`, in order."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def size_of_batch(models: int, most: int) -> int:
    """So that a small fleet is shared by several workers too, and a large one does not pay for many beginnings."""
    return min(most, max(FEWEST_OF_BATCH, ceil(models / SHARES)))


def date_of(at: datetime, zone: str) -> date:
    """The date of a night that starts at this moment, by the clocks of the zone (an IANA name)."""
    return at.astimezone(ZoneInfo(zone)).date()


def summary_of(counts: Mapping[str, int], regressions: int, *, not_reached: int, **more: Any) -> dict[str, Any]:
    """counts: runs by final status. The names are those of the document (Trigger nightly validation)."""
    return {
        "models_processed": sum(counts.values()),
        "passed": counts.get("passed", 0),
        "failed": counts.get("failed", 0),
        "errors": counts.get("error", 0),
        "insufficient_evidence": counts.get("insufficient_evidence", 0),
        "regressions_detected": regressions,
        "not_reached": not_reached,
        **more,
    }
