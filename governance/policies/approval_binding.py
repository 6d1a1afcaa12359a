"""A deployment carries out exactly what people approved: the content then and now are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from governance.canonical import difference
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Verdict


@dataclass(frozen=True)
class ApprovalStillBinds(Policy):
    name: ClassVar[str] = "approval-binding"
    title: ClassVar[str] = "Is it exactly what was approved?"
    kind: ClassVar[Kind] = "access"
    transitions: ClassVar = frozenset({TransitionName.DEPLOY_STAGING, TransitionName.PROMOTE_PRODUCTION})

    def judge(self, case: Case) -> Verdict:
        if case.approved_subject is None or case.current_approved_subject is None:
            return Failed(("There is no approval to carry out.",))
        changes = difference(case.approved_subject, case.current_approved_subject)
        if changes:
            lines = tuple(f"{c['path']} was {c['before']!r} and is now {c['after']!r}." for c in changes[:20])
            return Failed(("What was approved has changed since.", *lines), facts={"difference": changes})
        return Passed("Unchanged since it was approved.")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        promote = TransitionName.PROMOTE_PRODUCTION
        then, now = {"artifacts": [{"id": "a1", "sha256": "a"}]}, {"artifacts": [{"id": "a1", "sha256": "b"}]}
        return (
            (sample_case(promote, approved=then, current=then),),
            (sample_case(promote, approved=then, current=now), sample_case(promote)),
        )
