"""Every shipped policy allows and denies what it says, and takes no parameters of another shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest

from governance.canonical import canonical_bytes
from governance.errors import InvalidInput
from governance.evidence import Case
from governance.gates import decide, evaluate
from governance.lifecycle import TransitionName
from governance.policies import BY_NAME, POLICIES, ActivePolicy, Policy, build_policy
from governance.policies.approval_binding import ApprovalStillBinds
from governance.policies.approvals import ApprovalsByRiskTier
from governance.policies.artifact_integrity import ArtifactIntegrity
from governance.policies.completeness import Completeness
from governance.policies.evaluation import EvaluationPassed
from governance.policies.incumbent import NoWorseThanIncumbent
from governance.policies.reasons import ReasonGiven
from governance.policies.samples import sample_case
from governance.policies.weight_format import SafeWeightFormat
from governance.verdicts import Failed, Passed, Verdict

SUBMIT, PROMOTE = TransitionName.SUBMIT, TransitionName.PROMOTE_PRODUCTION


def check_samples(policy: type[Policy]) -> None:
    """Raises AssertionError unless the policy ships cases that it allows and cases that it denies."""
    allowed, denied = policy.samples()
    assert allowed, f"{policy.name} ships no case that it allows"
    assert denied, f"{policy.name} ships no case that it denies"
    for case in (*allowed, *denied):
        assert case.transition in policy.transitions, f"{policy.name} never judges {case.transition}"
    for case in allowed:
        result = evaluate(ActivePolicy(policy(), 1), case)
        assert result.verdict.outcome == "passed", (policy.name, result.verdict.reasons)
    for case in denied:
        result = evaluate(ActivePolicy(policy(), 1), case)
        assert result.verdict.outcome != "passed", (policy.name, "passed what it should refuse")
        assert "could not be applied" not in result.verdict.reasons[0], (
            "a sample is refused by the rule, not by an error"
        )
        assert decide([result]).outcome != "allowed"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_samples(policy: type[Policy]) -> None:
    check_samples(policy)


@dataclass(frozen=True)
class YesMan(Policy):
    name: ClassVar[str] = "yes-man"
    title: ClassVar[str] = "Is it fine?"
    transitions: ClassVar = frozenset({SUBMIT})
    shipped: ClassVar[tuple[tuple[Case, ...], tuple[Case, ...]]] = ((), ())

    def judge(self, case: Case) -> Verdict:
        return Passed("fine")

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        return cls.shipped


@pytest.mark.parametrize(
    "shipped",
    [
        ((), ()),
        ((sample_case(SUBMIT),), ()),
        ((), (sample_case(SUBMIT),)),
        ((sample_case(SUBMIT),), (sample_case(SUBMIT),)),  # a rule that never fires
        ((sample_case(PROMOTE),), (sample_case(SUBMIT),)),  # a sample that nobody would ask it about
    ],
)
def test_a_policy_without_telling_samples_cannot_be_added(
    shipped: tuple[tuple[Case, ...], tuple[Case, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(YesMan, "shipped", shipped)
    with pytest.raises(AssertionError):
        check_samples(YesMan)


def test_policies_are_told_apart_and_read_well() -> None:
    assert len(BY_NAME) == len(POLICIES)
    for policy in POLICIES:
        assert policy.title.endswith("?"), policy.title
        assert policy.transitions
        assert policy.enforcement == "hard"
        assert policy.about_people == (policy is ApprovalsByRiskTier)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_policy_can_judge_every_transition_it_is_for(policy: type[Policy]) -> None:
    for transition in policy.transitions:
        policy().judge(sample_case(transition))  # raises if a fact is missing that only some transitions have


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_judging_is_pure_and_its_verdict_can_be_recorded(policy: type[Policy]) -> None:
    for case in (case for cases in policy.samples() for case in cases):
        before = case.evidence.digest
        first, second = (evaluate(ActivePolicy(policy(), 1), case).to_json() for _ in range(2))
        assert first == second
        canonical_bytes(first)
        assert type(case.evidence)(case.evidence.subject, case.evidence.measured).digest == before


# --- parameters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_parameters_survive_being_stored(policy: type[Policy]) -> None:
    assert build_policy(policy, policy().parameters()) == policy()
    assert build_policy(policy, {}) == policy()
    for field in fields(policy):
        assert build_policy(policy, {field.name: policy().parameters()[field.name]}) == policy()


def test_parameters_change_the_judgement() -> None:
    case = sample_case(SUBMIT, model={"description": "Twenty characters!!!"})
    assert build_policy(Completeness, {}).judge(case).outcome == "passed"
    assert build_policy(Completeness, {"minimum_description": 21}).judge(case).outcome == "failed"


TIERS = {"Low": 1, "Medium": 2, "High": 3}


@pytest.mark.parametrize(
    ("policy", "parameters"),
    [
        (Completeness, {"unknown": 1}),
        (Completeness, {"minimum_description": "20"}),
        (Completeness, {"minimum_description": True}),
        (Completeness, {"minimum_description": None}),
        (Completeness, {"minimum_description": 20.0}),
        (Completeness, {"minimum_description": -1}),
        (Completeness, {"minimum_description": 10**7}),
        (Completeness, {"minimum_description": [20]}),
        (Completeness, {"model_card_fields": "intendedUse"}),
        (Completeness, {"model_card_fields": [1]}),
        (Completeness, {"model_card_fields": {"a": 1}}),
        (Completeness, {"model_card_fields": ["a\x00b"]}),
        (Completeness, {"model_card_fields": ["\ud800"]}),
        (Completeness, {"model_card_fields": ["x" * 100_000]}),
        (EvaluationPassed, {"maximum_age_days": math.nan}),
        (EvaluationPassed, {"maximum_age_days": math.inf}),
        (EvaluationPassed, {"maximum_age_days": False}),
        (EvaluationPassed, {"maximum_age_days": "30"}),
        (ApprovalsByRiskTier, {"quorum": 1}),
        (ApprovalsByRiskTier, {"quorum": {}}),
        (ApprovalsByRiskTier, {"quorum": {"Low": 1, "Medium": 2}}),
        (ApprovalsByRiskTier, {"quorum": {**TIERS, "Extreme": 4}}),
        (ApprovalsByRiskTier, {"quorum": {**TIERS, "High": "3"}}),
        (ApprovalsByRiskTier, {"quorum": {**TIERS, "High": True}}),
        (ApprovalsByRiskTier, {"quorum": {**TIERS, "High": 2.5}}),
        (ApprovalsByRiskTier, {"quorum": {**TIERS, "High": -1}}),
        (ReasonGiven, {"minimum_characters": 1e999}),
        (SafeWeightFormat, {"formats": None}),
    ],
)
def test_parameters_of_another_shape_are_refused(policy: type[Policy], parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        build_policy(policy, parameters)


# --- single rules -----------------------------------------------------------------------------------------


def test_completeness_names_everything_that_is_missing_at_once() -> None:
    case = sample_case(
        SUBMIT,
        model={"owners": [], "description": " " * 100, "riskTier": "Extreme"},
        metadata={"license": None, "modelCard": {"intendedUse": 5, "limitations": "", "trainingData": " "}},
        subject={"artifacts": [{"id": "a", "type": "config", "name": "c.json", "sha256": "a", "size": 1}]},
    )
    assert len(Completeness().judge(case).reasons) == 8


def test_a_container_is_as_good_as_weights() -> None:
    image = {"id": "a1", "type": "container", "name": "image", "sha256": "a" * 64, "size": 0}
    assert Completeness().judge(sample_case(SUBMIT, subject={"artifacts": [image]})).outcome == "passed"


def test_integrity_is_judged_for_every_artifact_and_for_what_returns() -> None:
    two = [
        {"id": name, "type": "weights", "name": f"{name}.onnx", "sha256": name * 64, "size": 1} for name in ("a", "b")
    ]
    stored = [{"id": "a", "storedSha256": "a" * 64}, {"id": "b", "storedSha256": "c" * 64}]
    verdict = ArtifactIntegrity().judge(sample_case(SUBMIT, subject={"artifacts": two}, measured={"artifacts": stored}))
    assert isinstance(verdict, Failed)
    assert len(verdict.reasons) == 1
    assert "b.onnx" in verdict.reasons[0]

    back = {"versionId": "v1", "version": "1.0.0", "artifacts": [two[1]]}
    case = sample_case(
        TransitionName.ROLLBACK,
        subject={"artifacts": [two[0]], "restores": back},
        measured={"artifacts": stored},
    )
    assert ArtifactIntegrity().judge(case).outcome == "failed"
    unread = sample_case(
        TransitionName.ROLLBACK,
        subject={"artifacts": [two[0]], "restores": back},
        measured={"artifacts": stored[:1]},
    )
    assert ArtifactIntegrity().judge(unread).outcome == "unknown"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"format": "onnx", "safe": True}, "passed"),
        ({"format": "onnx", "safe": False}, "failed"),
        ({"format": "onnx", "safe": None}, "unknown"),
        ({"format": "onnx"}, "unknown"),
        ({"format": "pickle", "safe": True}, "failed"),
        ({"format": None, "safe": True}, "failed"),
        ({"format": "ONNX", "safe": True}, "failed"),
    ],
)
def test_weights_are_safe_only_when_somebody_looked_and_said_so(found: dict[str, Any], outcome: str) -> None:
    measured = {"artifacts": [{"id": "a1", "storedSha256": "a" * 64, "reason": "seen", **found}]}
    assert SafeWeightFormat().judge(sample_case(SUBMIT, measured=measured)).outcome == outcome


def test_one_unsafe_file_among_safe_ones_is_refused() -> None:
    names = ("a1", "a2")
    weights = [{"id": n, "type": "weights", "name": n, "sha256": "a" * 64, "size": 1} for n in names]
    looks = [
        {"id": n, "storedSha256": "a" * 64, "format": "onnx", "safe": n == "a1", "reason": "it runs code"}
        for n in names
    ]
    case = sample_case(SUBMIT, subject={"artifacts": weights}, measured={"artifacts": looks})
    verdict = SafeWeightFormat().judge(case)
    assert isinstance(verdict, Failed)
    assert verdict.reasons == ("'a2': it runs code",)


def test_a_reason_is_measured_without_the_space_around_it() -> None:
    def judged(reason: str) -> str:
        return ReasonGiven().judge(sample_case(TransitionName.ROLLBACK, reason=reason)).outcome

    assert judged("1234567890") == "passed"
    assert judged("123456789") == "failed"
    assert judged(" 123456789 ") == "failed"
    assert judged("1\n\n\n\t        2") == "failed"


def test_what_was_approved_is_compared_to_the_last_detail() -> None:
    then = {"version": {"metadata": {"layers": [{"id": "x", "rate": 1}, {"id": "x", "rate": 2}]}}}
    now = {"version": {"metadata": {"layers": [{"id": "x", "rate": 9}, {"id": "x", "rate": 2}]}}}
    assert ApprovalStillBinds().judge(sample_case(PROMOTE, approved=then, current=then)).outcome == "passed"
    verdict = ApprovalStillBinds().judge(sample_case(PROMOTE, approved=then, current=now))
    assert isinstance(verdict, Failed), "a change behind a namesake"
    assert "was 1 and is now 9" in verdict.reasons[1]
    assert ApprovalStillBinds().judge(sample_case(PROMOTE, approved=then)).outcome == "failed"
    assert ApprovalStillBinds().judge(sample_case(PROMOTE, current=then)).outcome == "failed"


@pytest.mark.parametrize(
    ("conclusions", "suites", "outcome"),
    [
        (["not_worse"], 1, "passed"),
        (["not_worse", "not_worse"], 2, "passed"),
        (["not_worse"], 2, "unknown"),
        ([], 1, "unknown"),
        ([], 0, "unknown"),
        (["not_worse", "worse"], 2, "failed"),
        (["not_worse", "insufficient_evidence"], 2, "unknown"),
        (["not_worse", "unavailable"], 2, "unknown"),
        (["worse", "unavailable"], 2, "failed"),
        (["better"], 1, "unknown"),  # a word that nobody agreed on proves nothing
    ],
)
def test_no_worse_needs_every_suite_compared(conclusions: list[str], suites: int, outcome: str) -> None:
    compared = [
        {
            "suiteId": f"s{i}",
            "suiteName": f"suite {i}",
            "conclusion": conclusion,
            "reason": "the outcomes are gone.",
            "n": 500,
            "drop": -0.01,
            "upper": 0.002,
            "margin": 0.02,
            "unit": "points",
            "neededN": None,
        }
        for i, conclusion in enumerate(conclusions)
    ]
    subject = {
        "incumbent": {"versionId": "v1", "version": "1.0.0"},
        "evaluations": [{"suiteId": f"s{i}"} for i in range(suites)],
    }
    case = sample_case(PROMOTE, subject=subject, measured={"comparisons": compared})
    assert evaluate(ActivePolicy(NoWorseThanIncumbent(), 1), case).verdict.outcome == outcome
