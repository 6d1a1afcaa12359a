"""What must hold of traffic before a version leaves, or returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class NotServing(Policy):
    """Retiring is final, so nothing in production may still depend on the version."""

    name: ClassVar[str] = "not-serving"
    title: ClassVar[str] = "Does anybody still use it?"
    transitions: ClassVar = frozenset({TransitionName.RETIRE})

    def judge(self, case: Case) -> Verdict:
        live = [d for d in case.evidence.subject["serving"] if d["environment"] == "production"]
        if live:
            return Failed(tuple(f"{d['endpoint']} sends {d['trafficPercent']} % of its traffic to it." for d in live))
        return Passed("No endpoint in production sends traffic to it.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        live = {"environment": "production", "endpoint": "local://production/credit-risk", "trafficPercent": 100}
        return (
            (sample_case(TransitionName.RETIRE),),
            (sample_case(TransitionName.RETIRE, subject={"serving": [live]}),),
        )


@dataclass(frozen=True)
class PreviousVersionRestorable(Policy):
    """A rollback needs something to go back to; that its bytes are intact is judged by artifact integrity."""

    name: ClassVar[str] = "previous-version"
    title: ClassVar[str] = "Is there a version to go back to?"
    transitions: ClassVar = frozenset({TransitionName.ROLLBACK})

    def judge(self, case: Case) -> Verdict:
        restores = case.evidence.subject["restores"]
        if restores is None:
            return Failed(("No version that was in production before is deprecated now.",))
        return Passed(f"Version {restores['version']} returns to production.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        previous = {"restores": {"versionId": "v1", "version": "1.0.0", "artifacts": []}}
        return (
            (sample_case(TransitionName.ROLLBACK, subject=previous),),
            (sample_case(TransitionName.ROLLBACK),),
        )
