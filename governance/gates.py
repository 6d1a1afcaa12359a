"""Judging: one policy on one case, and the decision over all verdicts. Everything here fails closed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from governance.evidence import Case
from governance.policies import ActivePolicy, Enforcement
from governance.verdicts import Unknown, Verdict


@dataclass(frozen=True)
class GateResult:
    """The verdict of one policy version. about_people: undecided, it waits for decisions of people or for a time.

    about_time: it looks at clocks alone, and says nothing of what is judged.
    """

    policy: str
    title: str
    policy_version: int
    about_people: bool
    verdict: Verdict
    enforcement: Enforcement = "hard"
    about_time: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "title": self.title,
            "policyVersion": self.policy_version,
            "enforcement": self.enforcement,
            "outcome": self.verdict.outcome,
            "reasons": list(self.verdict.reasons),
            "facts": dict(self.verdict.facts),
        }


@dataclass(frozen=True)
class Decision:
    """`allowed`: settle; `denied`: settle as refused; `waiting`: only people's decisions, or a time, have to come.

    That is a quorum that is not complete, a soft gate, which two people may override, and a time that has to come.
    """

    outcome: Literal["allowed", "denied", "waiting"]
    reasons: tuple[str, ...]


def applicable(policies: Iterable[ActivePolicy], subject: Mapping[str, Any]) -> tuple[ActivePolicy, ...]:
    """Those whose scope covers the subject (see `governance.evidence`)."""
    return tuple(active for active in policies if active.policy.scope.covers(subject))


def evaluate(active: ActivePolicy, case: Case) -> GateResult:
    """Judge one policy. An exception in a rule is `Unknown`: somebody could not judge, so nobody passes.

    Such a result is not about people, whatever the policy: no decision of a person, and no waiting, would repair it.
    """
    policy, about_people = active.policy, active.policy.about_people or active.policy.may_wait
    try:
        verdict = policy.judge(case)
    except Exception as error:  # any fault of a rule must block, whatever it is
        verdict = Unknown(f"The rule could not be applied: {type(error).__name__}: {error}")
        about_people = False
    return GateResult(
        policy.name, policy.title, active.version, about_people, verdict, policy.enforcement, policy.may_wait
    )


def evaluate_all(policies: Sequence[ActivePolicy], case: Case) -> tuple[GateResult, ...]:
    return tuple(evaluate(active, case) for active in applicable(policies, case.evidence.subject))


def decide(results: Sequence[GateResult], waived: Container[tuple[str, int]] = ()) -> Decision:
    """No result at all is a denial: a transition that nobody judged was not judged; advice and clocks judge nothing.

    waived: the (name, version) of soft policies that were overridden. A hard policy is never waived, whoever asks.
    """
    if not any(result.enforcement != "advisory" and not result.about_time for result in results):
        return Decision("denied", ("No policy applies to this transition, so nobody judged it.",))
    blocking = [result for result in results if _blocks(result, waived)]
    if not blocking:
        return Decision("allowed", ())
    final = [result for result in blocking if not _people_may_lift(result)]
    if not final:
        return Decision("waiting", _reasons(blocking))
    return Decision("denied", _reasons(final))


def _people_may_lift(result: GateResult) -> bool:
    """A soft gate by an override; one about people by more decisions, unless a decision was against it."""
    if result.about_people:
        return result.verdict.outcome == "unknown"
    return result.enforcement == "soft"


def overridable(result: GateResult) -> bool:
    """Does this gate block, and may two people override it?"""
    return result.verdict.outcome != "passed" and result.enforcement == "soft" and not result.about_people


def _blocks(result: GateResult, waived: Container[tuple[str, int]]) -> bool:
    if result.verdict.outcome == "passed" or result.enforcement == "advisory":
        return False
    return result.enforcement == "hard" or (result.policy, result.policy_version) not in waived


def changes_requested(results: Sequence[GateResult]) -> bool:
    """Is the one thing that blocks that people ask for changes, and nobody rejects it outright?"""
    failed = [result for result in results if _blocks(result, ()) and not _people_may_lift(result)]
    return bool(failed) and all(result.verdict.facts.get("changesRequested") is True for result in failed)


def expired(results: Sequence[GateResult]) -> bool:
    """Did people not decide in time? Then the refusal is called that, whatever else was wrong."""
    return any(r.verdict.outcome == "failed" and r.verdict.facts.get("expired") is True for r in results)


def _reasons(results: Sequence[GateResult]) -> tuple[str, ...]:
    return tuple(f"{result.title} {reason}" for result in results for reason in result.verdict.reasons)
