"""Time for second thoughts between the decision and its effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from governance.canonical import rendered
from governance.circumstances import Circumstances
from governance.evidence import Case
from governance.freezes import FREEZABLE
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.policies.approvals import counting
from governance.policies.base import Policy
from governance.policies.samples import NOON, sample_case
from governance.time_zones import in_words
from governance.verdicts import Failed, Passed, Unknown, Verdict


@dataclass(frozen=True)
class WaitTimer(Policy):
    """minutes: by risk tier; from the latest approval that counts, or where nobody approves from the opening.

    Every further approval starts it anew. A break-glass passes over it.
    """

    name: ClassVar[str] = "wait-timer"
    title: ClassVar[str] = "Was there time for second thoughts?"
    transitions: ClassVar = FREEZABLE
    may_wait: ClassVar[bool] = True
    minutes: dict[str, int] = field(default_factory=lambda: {"Low": 0, "Medium": 0, "High": 0})

    def judge(self, case: Case) -> Verdict:
        minutes = self.minutes.get(case.risk_tier)
        if minutes is None:
            return Failed((f"No wait is set for risk tier {case.risk_tier}.",))
        if minutes == 0:
            return Passed(f"Risk tier {case.risk_tier} asks for no wait.")
        if case.around.break_glass:
            return Passed("Break-glass passes over the wait.", facts={"breakGlass": True})
        if TRANSITIONS[case.transition].needs_approval:
            begun = max((one.at for one in counting(case) if one.decision == "approve"), default=None)
            if begun is None:
                return Unknown(f"{minutes} minute(s) have to pass after the approvals.")
        else:
            begun = case.around.opened_at
            if begun is None:
                return Failed(("Nobody knows when the request was opened.",))
        over = begun + timedelta(minutes=minutes)
        if case.as_of < over:
            return Unknown(
                f"Risk tier {case.risk_tier} waits {minutes} minute(s), until "
                f"{in_words(over, case.around.time_zone)}; this goes on by itself afterwards.",
                facts={"until": rendered(over)},
            )
        return Passed(f"{minutes} minute(s) have passed.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """For the default parameters nothing waits; what is denied is a tier that there is not."""
        promote = TransitionName.PROMOTE_PRODUCTION
        long_ago = Circumstances(opened_at=NOON - timedelta(days=1))
        return (
            (sample_case(promote), sample_case(promote, around=long_ago)),
            (sample_case(promote, model={"riskTier": "Unheard of"}),),
        )
