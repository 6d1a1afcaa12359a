"""Gates fail closed: nobody judging, a rule that breaks and a missing fact all block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from governance.evidence import Case
from governance.gates import GateResult, applicable, changes_requested, decide, evaluate, evaluate_all
from governance.lifecycle import TransitionName
from governance.policies import POLICIES, ActivePolicy, Enforcement, Policy
from governance.policies.samples import sample_case
from governance.verdicts import Failed, Passed, Unknown, Verdict

SUBMIT = TransitionName.SUBMIT
PASSED, FAILED, UNKNOWN = Passed("fine"), Failed(("too small",)), Unknown("nobody looked")


@dataclass(frozen=True)
class Rule(Policy):
    """Says what it was made to say, or raises it."""

    name: ClassVar[str] = "rule"
    title: ClassVar[str] = "Does the rule hold?"
    transitions: ClassVar = frozenset({SUBMIT})
    says: Verdict | BaseException = PASSED

    def judge(self, case: Case) -> Verdict:
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        raise AssertionError("not asked for here")


@dataclass(frozen=True)
class PeopleRule(Rule):
    about_people: ClassVar[bool] = True


@dataclass(frozen=True)
class SoftRule(Rule):
    name: ClassVar[str] = "soft-rule"
    enforcement: ClassVar[Enforcement] = "soft"


@dataclass(frozen=True)
class SoftPeopleRule(SoftRule):
    about_people: ClassVar[bool] = True


def judged(*rules: Policy) -> tuple[GateResult, ...]:
    return evaluate_all([ActivePolicy(rule, 3) for rule in rules], sample_case(SUBMIT))


def test_nobody_judging_is_a_denial() -> None:
    decision = decide(judged())
    assert decision.outcome == "denied"
    assert decision.reasons


def test_a_policy_of_another_transition_judges_nothing() -> None:
    active = [ActivePolicy(Rule(), 1)]
    assert evaluate_all(active, sample_case(TransitionName.RETIRE)) == ()
    assert applicable(active, sample_case(TransitionName.RETIRE).evidence.subject) == ()
    assert applicable(active, sample_case(SUBMIT).evidence.subject) == tuple(active)


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ((Rule(PASSED),), "allowed"),
        ((Rule(PASSED), PeopleRule(PASSED)), "allowed"),
        ((Rule(FAILED),), "denied"),
        ((Rule(UNKNOWN),), "denied"),
        ((Rule(PASSED), Rule(UNKNOWN)), "denied"),
        ((PeopleRule(UNKNOWN),), "waiting"),
        ((Rule(PASSED), PeopleRule(UNKNOWN)), "waiting"),
        ((PeopleRule(UNKNOWN), PeopleRule(UNKNOWN)), "waiting"),
        ((Rule(UNKNOWN), PeopleRule(UNKNOWN)), "denied"),
        ((Rule(FAILED), PeopleRule(UNKNOWN)), "denied"),
        ((PeopleRule(FAILED),), "denied"),
        ((PeopleRule(FAILED), PeopleRule(UNKNOWN)), "denied"),
    ],
)
def test_waiting_is_for_people_alone(rules: tuple[Policy, ...], outcome: str) -> None:
    assert decide(judged(*rules)).outcome == outcome


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ((SoftRule(FAILED),), "waiting"),
        ((SoftRule(UNKNOWN),), "waiting"),
        ((SoftRule(KeyError("x")),), "waiting"),
        ((Rule(PASSED), SoftRule(FAILED)), "waiting"),
        ((SoftRule(FAILED), PeopleRule(UNKNOWN)), "waiting"),
        ((SoftRule(FAILED), PeopleRule(FAILED)), "denied"),
        ((SoftRule(FAILED), Rule(FAILED)), "denied"),
        ((SoftRule(FAILED), Rule(UNKNOWN)), "denied"),
        ((SoftPeopleRule(FAILED),), "denied"),
        ((SoftPeopleRule(UNKNOWN),), "waiting"),
    ],
)
def test_what_only_soft_gates_block_waits_to_be_overridden(rules: tuple[Policy, ...], outcome: str) -> None:
    decision = decide(judged(*rules))
    assert decision.outcome == outcome
    assert decision.reasons


def test_a_refusal_of_people_beside_a_soft_gate_is_theirs() -> None:
    asked = Failed(("grace asks for changes",), facts={"changesRequested": True})
    assert changes_requested(judged(PeopleRule(asked), SoftRule(FAILED)))
    assert not changes_requested(judged(PeopleRule(asked), Rule(FAILED)))
    assert not changes_requested(judged(SoftRule(FAILED)))


@pytest.mark.parametrize("error", [KeyError("artifacts"), ZeroDivisionError(), RecursionError(), AssertionError("no")])
def test_a_rule_that_breaks_is_unknown_and_blocks(error: Exception) -> None:
    (result,) = judged(Rule(error))
    assert result.verdict.outcome == "unknown"
    assert type(error).__name__ in result.verdict.reasons[0]
    assert decide([result]).outcome == "denied"


def test_a_broken_rule_about_people_does_not_wait_for_people() -> None:
    """No decision of a person would repair it, so waiting would never end."""
    assert decide(judged(Rule(PASSED), PeopleRule(KeyError("quorum")))).outcome == "denied"


def test_what_stops_the_process_is_not_a_verdict() -> None:
    with pytest.raises(KeyboardInterrupt):
        judged(Rule(KeyboardInterrupt()))


def test_a_denial_names_every_reason_and_no_passed_gate() -> None:
    decision = decide(judged(Rule(Failed(("one", "two"))), Rule(UNKNOWN), Rule(PASSED)))
    assert decision.reasons == (
        "Does the rule hold? one",
        "Does the rule hold? two",
        "Does the rule hold? nobody looked",
    )


def test_a_result_says_which_policy_judged_and_why() -> None:
    result = evaluate(ActivePolicy(Rule(Failed(("one",), facts={"n": 1})), 3), sample_case(SUBMIT))
    assert result.to_json() == {
        "policy": "rule",
        "title": "Does the rule hold?",
        "policyVersion": 3,
        "enforcement": "hard",
        "outcome": "failed",
        "reasons": ["one"],
        "facts": {"n": 1},
    }


def test_a_refusal_without_a_reason_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="reason"):
        Failed(())


@pytest.mark.parametrize("transition", list(TransitionName))
def test_every_transition_has_a_gate(transition: TransitionName) -> None:
    assert applicable([ActivePolicy(policy(), 1) for policy in POLICIES], sample_case(transition).evidence.subject)
