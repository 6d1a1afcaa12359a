"""An approval does not hold for ever: somebody looks again, sooner where more is at stake."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from governance.circumstances import Circumstances
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import NOON, sample_case
from governance.time_zones import in_words
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class ApprovalReviewed(Policy):
    """days: from the approval for production, or from the last review, to the next one, by risk tier.

    Overdue, it opens a finding; `grace_days` later the finding is high and blocks promotions of the whole model
    (`governance.operations.periodic_reviews`). An approval that is overdue is not carried out in any case.
    """

    name: ClassVar[str] = "periodic-review"
    title: ClassVar[str] = "Was the approval reviewed in time?"
    transitions: ClassVar = frozenset({TransitionName.PROMOTE_PRODUCTION})
    days: dict[str, int] = field(default_factory=lambda: {"Low": 365, "Medium": 180, "High": 90})
    grace_days: int = 30

    def next_due(self, after: datetime, risk_tier: str) -> datetime:
        return after + timedelta(days=self.days[risk_tier])

    def judge(self, case: Case) -> Verdict:
        due = case.around.review_due
        if due is None:
            return Passed("No review is planned.")
        told = in_words(due, case.around.time_zone)
        if case.as_of >= due:
            return Failed((f"The approval had to be reviewed by {told}. An approver reviews it first.",))
        return Passed(f"The next review is due on {told}.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        promote = TransitionName.PROMOTE_PRODUCTION
        return (
            (sample_case(promote, around=Circumstances(opened_at=NOON, review_due=NOON + timedelta(days=1))),),
            (sample_case(promote, around=Circumstances(opened_at=NOON, review_due=NOON)),),
        )
