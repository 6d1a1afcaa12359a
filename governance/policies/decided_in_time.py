"""People decide in time, or the request is refused: silence never approves anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from governance.canonical import rendered
from governance.circumstances import Circumstances
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import NOON, sample_case
from governance.time_zones import in_words
from governance.verdicts import Failed, Passed, Unknown, Verdict


def _days(number: int) -> dict[str, int]:
    return dict.fromkeys(("Low", "Medium", "High"), number)


@dataclass(frozen=True)
class DecidedInTime(Policy):
    """Days since the opening, by risk tier. The first two only tell people (`governance.operations.tending`);
    after the third the request is refused as expired, by whoever looks first: its flow, or the tending.
    """

    name: ClassVar[str] = "decided-in-time"
    title: ClassVar[str] = "Is it decided in time?"
    transitions: ClassVar = frozenset({TransitionName.APPROVE_STAGING, TransitionName.APPROVE_PRODUCTION})
    remind_days: dict[str, int] = field(default_factory=lambda: _days(2))
    escalate_days: dict[str, int] = field(default_factory=lambda: _days(5))
    expire_days: dict[str, int] = field(default_factory=lambda: _days(14))

    def deadline(self, opened_at: datetime, risk_tier: str) -> datetime:
        return opened_at + timedelta(days=self.expire_days[risk_tier])

    def notices(self, opened_at: datetime, risk_tier: str, at: datetime) -> tuple[str, ...]:
        """What people should have been told by `at`: "reminded", "escalated"."""
        days = {"reminded": self.remind_days[risk_tier], "escalated": self.escalate_days[risk_tier]}
        return tuple(kind for kind, after in days.items() if at >= opened_at + timedelta(days=after))

    def judge(self, case: Case) -> Verdict:
        opened_at = case.around.opened_at
        if opened_at is None:
            return Unknown("Nobody knows when the request was opened.")
        deadline = self.deadline(opened_at, case.risk_tier)
        told = in_words(deadline, case.around.time_zone)
        facts = {"deadline": rendered(deadline)}
        if case.as_of >= deadline:
            return Failed((f"It was not decided by {told}; it has to be asked for again.",), {**facts, "expired": True})
        return Passed(f"There is time until {told}.", facts)

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_PRODUCTION
        late = Circumstances(opened_at=NOON - timedelta(days=14))
        return (
            (sample_case(ask), sample_case(ask, around=Circumstances(opened_at=NOON - timedelta(days=13)))),
            (sample_case(ask, around=late), sample_case(ask, around=Circumstances())),
        )
