"""A reviewer who acts against a version says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class ReasonGiven(Policy):
    name: ClassVar[str] = "reason-given"
    title: ClassVar[str] = "Is there a reason?"
    transitions: ClassVar = frozenset(
        {TransitionName.REQUEST_CHANGES, TransitionName.ROLLBACK, TransitionName.DEPRECATE}
    )
    minimum_characters: int = 10

    def judge(self, case: Case) -> Verdict:
        reason = " ".join(case.reason.split())
        if len(reason) < self.minimum_characters:
            return Failed((f"A reason of at least {self.minimum_characters} characters is needed.",))
        return Passed(reason)

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        return (
            (sample_case(TransitionName.ROLLBACK, reason="Latency doubled since the release."),),
            (
                sample_case(TransitionName.ROLLBACK),
                sample_case(TransitionName.DEPRECATE, reason="           x           "),
            ),
        )
