"""Policies as data: what they have to be, that their samples are tried, and that their record is enough."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from governance.canonical import canonical_bytes
from governance.errors import InvalidInput
from governance.gates import applicable, decide, evaluate, evaluate_all
from governance.lifecycle import TransitionName
from governance.policies import POLICIES, ActivePolicy
from governance.policies.samples import sample_case, sample_evaluation
from governance.policy_changes import PolicyState, policy_id, uncovered
from governance.policy_definitions import draft_of, policy_from_json, sampled
from tests.fixtures.policies import POLICY, policy

ASK = TransitionName.APPROVE_PRODUCTION


def rule(expression: str, **changes: Any) -> list[dict[str, Any]]:
    return [{"id": "one", "expression": expression, "message": "No.", **changes}]


REFUSED: dict[str, dict[str, Any]] = {
    "name of a built-in policy": {"name": "approvals"},
    "name of a route": {"name": "compliance"},
    "name in capitals": {"name": "Accurate"},
    "no name": {"name": None},
    "no title": {"title": " "},
    "NUL": {"title": "a\x00b"},
    "another kind": {"kind": "ethics"},
    "another enforcement": {"enforcement": "must"},
    "no transition": {"scope": {"transitions": []}},
    "unknown transition": {"scope": {"transitions": ["fly"]}},
    "unknown tier": {"scope": {"transitions": ["submit"], "riskTiers": ["Extreme"]}},
    "unknown scope": {"scope": {"transitions": ["submit"], "people": ["me"]}},
    "no rule": {"rules": []},
    "too many rules": {"rules": rule("true") * 21},
    "rules of one id": {"rules": rule("true") * 2},
    "a rule without message": {"rules": [{"id": "one", "expression": "true"}]},
    "a misspelt fact": {"rules": rule("model.riskTeir == 'x'")},
    "a number as rule": {"rules": rule("artifactCount")},
    "no samples": {"samples": {}},
    "no allowed sample": {"samples": {"allowed": [], "denied": POLICY["samples"]["denied"]}},
    "no denied sample": {"samples": {"allowed": POLICY["samples"]["allowed"], "denied": []}},
    "a denied sample that passes": {"samples": {"allowed": [{}], "denied": [{}]}},
    "an allowed sample that fails": {"samples": {"allowed": POLICY["samples"]["denied"], "denied": [{}]}},
    "a sample of another shape": {"samples": {"allowed": [{"evidence": {"model": 5}}], "denied": [{}]}},
    "a sample of unknown facts": {"samples": {"allowed": [{"evidence": {"modle": {}}}], "denied": [{}]}},
    "a sample out of scope": {
        "samples": {"allowed": [{"transition": "submit"}], "denied": POLICY["samples"]["denied"]}
    },
    "a rule that never fires": {"rules": rule("true")},
    "denied by errors only": {"rules": rule("evaluation.taskMetrics.accuracy > 0.9 && has(version.metadata.modelCard)"),
                              "samples": {"allowed": [{}], "denied": [{"evidence": {"evaluations": []}}]}},
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_policy_is_refused_when_it_is_written(what: str) -> None:
    draft_of(POLICY)
    with pytest.raises(InvalidInput) as refused:
        draft_of({**POLICY, **REFUSED[what]})
    assert refused.value.details, what


def test_a_misspelt_fact_is_named_with_its_place_in_the_rule() -> None:
    rules = [*rule("true"), *rule("model.name == 'a' &&\n model.riskTeir == 'b'", id="two")]
    with pytest.raises(InvalidInput, match="line 2, column 7") as refused:
        draft_of({**POLICY, "rules": rules})
    assert refused.value.details["problems"] == [
        {"rule": "two", "line": 2, "column": 7, "problem": "undeclared reference to 'model.riskTeir'."}
    ]


def test_a_sample_that_goes_the_wrong_way_explains_itself() -> None:
    wrong = {"allowed": POLICY["samples"]["denied"], "denied": POLICY["samples"]["denied"]}
    with pytest.raises(InvalidInput) as refused:
        draft_of({**POLICY, "samples": wrong})
    (problem,) = refused.value.details["problems"]
    assert problem["sample"] == "allowed[0]"
    assert "evaluation.taskMetrics.accuracy is 0.1" in problem["problem"]


def test_samples_lie_in_the_scope_by_themselves() -> None:
    scope = {
        "transitions": ["submit"],
        "riskTiers": ["High"],
        "groups": ["clinic"],
        "tags": ["x"],
        "modelTypes": ["llm"],
    }
    made = draft_of({**POLICY, "scope": scope})
    for case in (case for cases in made.samples() for case in cases):
        assert made.scope.covers(case.evidence.subject)
        assert case.transition is TransitionName.SUBMIT


def test_a_verdict_says_what_failed_and_what_could_not_be_judged() -> None:
    active = ActivePolicy(draft_of(POLICY), 3)
    low = sample_case(ASK, subject={"evaluations": [sample_evaluation(taskMetrics={"accuracy": 0.87})]})
    result = evaluate(active, low).to_json()
    assert (result["outcome"], result["policyVersion"], result["enforcement"]) == ("failed", 3, "hard")
    assert result["reasons"] == [
        "The accuracy is too low. `evaluation.taskMetrics.accuracy >= 0.9` is false "
        "(evaluation.taskMetrics.accuracy is 0.87)."
    ]
    none = sample_case(ASK, subject={"evaluations": [sample_evaluation(taskMetrics={})]})
    result = evaluate(active, none).to_json()
    assert result["outcome"] == "unknown"
    assert result["reasons"] == [
        "The accuracy is too low. The rule 'accuracy' cannot be judged: "
        "the evidence has no evaluation.taskMetrics.accuracy."
    ]
    assert decide([evaluate(active, none)]).outcome == "denied"


@pytest.mark.parametrize("missing", ["model", "version", "artifacts", "evaluations"])
def test_evidence_of_another_shape_blocks(missing: str) -> None:
    text = "model.name != '' && version.version != '' && artifactCount > 0 && evaluation.count > 0"
    active = ActivePolicy(draft_of({**POLICY, "rules": rule(text), "samples": {
        "allowed": [{}], "denied": [{"evidence": {"artifacts": []}}]}}), 1)  # fmt: skip
    case = sample_case(ASK, subject={missing: None})
    assert evaluate(active, case).verdict.outcome == "unknown"


def test_no_applicable_policy_denies_and_advice_alone_judges_nothing() -> None:
    subject = sample_case(ASK).evidence.subject
    other = ActivePolicy(draft_of({**POLICY, "scope": {"transitions": ["retire"]}}), 1)
    assert applicable([other], subject) == ()
    assert decide(evaluate_all([other], sample_case(ASK))).outcome == "denied"
    advice = ActivePolicy(draft_of({**POLICY, "enforcement": "advisory"}), 1)
    results = evaluate_all([advice], sample_case(ASK))
    assert [result.verdict.outcome for result in results] == ["passed"]
    assert decide(results).outcome == "denied"


@pytest.mark.parametrize("enforcement", ["advisory", "soft", "hard"])
def test_the_record_of_a_policy_is_enough_to_judge_by_it(enforcement: str) -> None:
    active = ActivePolicy(draft_of({**POLICY, "enforcement": enforcement}), 7)
    again = policy_from_json(active.to_json())
    assert again.to_json() == active.to_json()
    for case in (case for cases in active.policy.samples() for case in cases):
        assert canonical_bytes(evaluate(again, case).to_json()) == canonical_bytes(evaluate(active, case).to_json())
    assert pickle.loads(pickle.dumps(active)) == active  # noqa: S301  (ours; a task hands it to its process)


@pytest.mark.parametrize("built_in", POLICIES, ids=lambda one: one.name)
def test_the_record_of_a_built_in_policy_is_enough_too(built_in: Any) -> None:
    active = ActivePolicy(built_in(), 2)
    value = active.to_json()
    assert policy_from_json(value) == active
    assert {"kind", "enforcement", "scope", "parameters", "builtIn", "version", "title"} <= set(value)
    before = {name: value[name] for name in ("name", "version", "enforcement", "parameters")}
    assert policy_from_json(before) == active, "as evidence held it before policies were data"


@pytest.mark.parametrize("value", [{}, {"name": "x"}, {"name": "x", "version": 1, "parameters": {}},
                                   {"name": "x", "version": 1, "builtIn": None, "rules": 5}])  # fmt: skip
def test_a_record_of_no_policy_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        policy_from_json(value)


def test_shipped_policies_cover_every_transition() -> None:
    shipped = [ActivePolicy(one(), 1) for one in POLICIES]
    assert uncovered(shipped) == frozenset()
    assert uncovered([]) == frozenset(TransitionName)
    narrow = draft_of({**POLICY, "scope": {"transitions": ["retire"], "riskTiers": ["High"]}})
    advice = draft_of({**POLICY, "scope": {"transitions": ["retire"]}, "enforcement": "advisory"})
    without = [one for one in shipped if one.policy.name != "not-serving"]
    for beside in ([], [ActivePolicy(narrow, 1)], [ActivePolicy(advice, 1)]):
        assert uncovered([*without, *beside]) == {TransitionName.RETIRE}
    assert {one.policy.kind for one in shipped} == {"access", "security", "compliance", "governance"}


def test_small_things() -> None:
    assert policy_id("approvals") == policy_id("approvals") != policy_id("approval")
    assert PolicyState("draft") is PolicyState.DRAFT
    assert sampled({"reason": "Because."}).reason == "Because."
    assert draft_of(policy("x", least=0.95)).rules[0].expression.endswith("0.95")
