"""Nothing moves in a freeze; what was asked for waits until it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from governance.canonical import rendered
from governance.circumstances import Circumstances, FreezeInForce
from governance.evidence import Case
from governance.freezes import FREEZABLE
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import NOON, sample_case
from governance.time_zones import in_words
from governance.verdicts import Passed, Unknown, Verdict


@dataclass(frozen=True)
class FreezeWindows(Policy):
    """A break-glass passes over it: taking something out of production cannot wait for Monday."""

    name: ClassVar[str] = "freeze-windows"
    title: ClassVar[str] = "Is there a freeze?"
    transitions: ClassVar = FREEZABLE
    may_wait: ClassVar[bool] = True

    def judge(self, case: Case) -> Verdict:
        freezes = case.around.freezes
        if not freezes:
            return Passed("No freeze is in force.")
        names = ", ".join(f"“{one.name}” ({one.reason})" for one in freezes)
        if case.around.break_glass:
            return Passed(f"Break-glass passes over the freeze {names}.", facts={"breakGlass": True})
        until = max(one.until for one in freezes)
        return Unknown(
            f"The freeze {names} is in force until {in_words(until, case.around.time_zone)}; "
            "this goes on by itself afterwards.",
            facts={"until": rendered(until), "freezes": [one.id for one in freezes]},
        )

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        freeze = (FreezeInForce("w1", "year end", "The books are closed.", NOON + timedelta(hours=6)),)
        frozen = Circumstances(opened_at=NOON, freezes=freeze)
        broken = Circumstances(opened_at=NOON, freezes=freeze, break_glass=True)
        return (
            (sample_case(TransitionName.PROMOTE_PRODUCTION), sample_case(TransitionName.ROLLBACK, around=broken)),
            (sample_case(TransitionName.PROMOTE_PRODUCTION, around=frozen),),
        )
