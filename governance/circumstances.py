"""What binds a transition beside its evidence: the clock, freezes, findings, a break-glass.

It is judged like the evidence and kept with the case, but it is no part of the digest that people approve: a freeze
that begins makes an approved request wait, it does not take the approval away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.canonical import rendered
from governance.time_zones import DEFAULT


@dataclass(frozen=True, slots=True)
class BlockingFinding:
    """An open finding that says it blocks this transition."""

    id: str
    title: str
    severity: str
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FreezeInForce:
    """A freeze window that covers this request at the time of the case, and when it ends."""

    id: str
    name: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """opened_at: when the request was. time_zone: the requester's. review_due: by when the approval of the version
    for production has to be looked at again, None where it has none.
    """

    opened_at: datetime | None = None
    break_glass: bool = False
    time_zone: str = DEFAULT
    findings: tuple[BlockingFinding, ...] = ()
    freezes: tuple[FreezeInForce, ...] = ()
    review_due: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "openedAt": _text(self.opened_at),
            "breakGlass": self.break_glass,
            "timeZone": self.time_zone,
            "findings": [
                {"id": one.id, "title": one.title, "severity": one.severity, "dueAt": _text(one.due_at)}
                for one in self.findings
            ],
            "freezes": [
                {"id": one.id, "name": one.name, "reason": one.reason, "until": rendered(one.until)}
                for one in self.freezes
            ],
            "reviewDue": _text(self.review_due),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Circumstances:
        """None: a case that was judged before circumstances were kept."""
        if value is None:
            return cls()
        return cls(
            opened_at=_moment(value["openedAt"]),
            break_glass=value["breakGlass"],
            time_zone=value["timeZone"],
            findings=tuple(
                BlockingFinding(one["id"], one["title"], one["severity"], _moment(one["dueAt"]))
                for one in value["findings"]
            ),
            freezes=tuple(
                FreezeInForce(one["id"], one["name"], one["reason"], datetime.fromisoformat(one["until"]))
                for one in value["freezes"]
            ),
            review_due=_moment(value["reviewDue"]),
        )


def _text(moment: datetime | None) -> str | None:
    return rendered(moment) if moment is not None else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
