"""Somebody found something, and until it is closed the version goes no further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from governance.circumstances import BlockingFinding, Circumstances
from governance.evidence import Case
from governance.findings import BLOCKABLE
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import NOON, sample_case
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class NoOpenFindings(Policy):
    """Which transitions a finding blocks, it says itself (`governance.findings`)."""

    name: ClassVar[str] = "no-open-findings"
    title: ClassVar[str] = "Is there an open finding?"
    transitions: ClassVar = BLOCKABLE

    def judge(self, case: Case) -> Verdict:
        open_ones = case.around.findings
        if open_ones:
            told = tuple(f"A finding of severity {one.severity} is open: {one.title}" for one in open_ones)
            return Failed(told, facts={"findings": [one.id for one in open_ones]})
        return Passed("No open finding blocks this.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        promote = TransitionName.PROMOTE_PRODUCTION
        found = Circumstances(opened_at=NOON, findings=(BlockingFinding("f1", "It was rolled back.", "high"),))
        return (sample_case(promote),), (sample_case(promote, around=found),)
