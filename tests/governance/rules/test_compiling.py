"""Rules are refused with their place when they make no sense, and pass by being true and by nothing else."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from governance.errors import InvalidInput
from governance.lifecycle import TransitionName
from governance.policies.samples import sample_case, sample_evaluation
from governance.rules import VARIABLES, Finding, RuleError, compile_rule, facts_of, needs_of

ASK = TransitionName.APPROVE_PRODUCTION


def judged(text: str, **changes: Any) -> Finding:
    rule = compile_rule(text)
    return rule.judge(facts_of(sample_case(ASK, **changes), rule.variables))


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("model.riskTeir == 'High'", 1, 6, "undeclared reference to 'model.riskTeir'"),
        ("model.riskTier != 'High' &&\n  model.onwers == []", 2, 8, "undeclared reference to 'model.onwers'"),
        ("evaluation.taskMetrics.accuracy >= '0.9'", 1, 33, "found no matching overload"),
        ("evaluation.taskMetrics.accuracy > 1", 1, 33, "(double, int)"),
        ("model.riskTier == 1", 1, 16, "(string, int)"),
        ("artifactCount", 1, 1, "of type int"),
        ("version.metadata.flag", 1, 1, "of type dyn"),
        ("'true'", 1, 1, "of type string"),
        ("model.riskTier ===  'High'", 1, 18, "Syntax error"),
        ("artifactCount > 99999999999999999999", 1, 17, "invalid int literal"),
        ("open('/etc/passwd') == ''", 1, 5, "undeclared reference to 'open'"),
        ("__import__('os').system('id') == 0", 1, 11, "undeclared reference"),
        ("model.name.__class__ == ''", 1, 11, "cannot be the operand of a select"),
        ("", 1, 1, "Syntax error"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(RuleError) as refused:
        compile_rule(text)
    first = refused.value.details["problems"][0]
    assert says in first["problem"], first
    assert (first["line"], first["column"]) == (line, column), first
    assert isinstance(refused.value, InvalidInput)


@pytest.mark.parametrize(
    "text",
    ["true || " * 600 + "true", "(" * 25 + "true" + ")" * 25, "[" * 30 + "]" * 30 + " == []", "tr\x00ue", "true\x1b"],
)
def test_what_would_strain_the_parsers_never_reaches_them(text: str) -> None:
    with pytest.raises(RuleError) as refused:
        compile_rule(text)
    assert refused.value.problems[0].line is None


def test_brackets_in_strings_and_comments_are_no_nesting() -> None:
    assert judged(f"model.name != '{'(' * 40}' // {'[' * 40}").value is True


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("evaluation.taskMetrics.f1 >= 0.5", "the evidence has no evaluation.taskMetrics.f1"),
        ("evaluation.biasMetrics['gap'] < 0.1", "the evidence has no evaluation.biasMetrics.gap"),
        ("version.metadata.sbom.digest != ''", "the evidence has no version.metadata.sbom.digest"),
        ("artifacts[7].size > 0", "Index error"),
        ("artifactCount / 0 > 1", "divide by zero"),
        ("version.metadata.license > 3", "No matching overloads"),
        ("int(model.name) > 3", "cannot convert"),
    ],
)
def test_an_error_is_never_true_though_it_is_a_truthy_text(text: str, says: str) -> None:
    """CEL returns a run-time error as a value whose content is a text, and bool(text) is true in Python."""
    found = judged(text)
    assert found.value is None
    assert found.error is not None
    assert says.lower() in found.error.lower(), found.error
    assert bool(found.error), "what would pass if it were taken for a truth"
    assert judged(f"!({text})").value is None, "nor does its opposite"


def test_a_condition_of_any_type_but_bool_is_never_true() -> None:
    text = "version.metadata.reviewed && true"
    assert judged(text, metadata={"reviewed": True}).value is True
    wrong: tuple[Any, ...] = ("yes", 1, [True], None, {}, 0.0)
    for value in wrong:
        assert judged(text, metadata={"reviewed": value}).value is not True, value


def test_no_evaluation_has_no_age() -> None:
    without = {"evaluations": [sample_evaluation(evaluationId=None, taskMetrics={}, executedAt=None)]}
    found = judged("evaluation.ageDays < 30.0", subject=without)
    assert (found.value, found.error) == (None, "the evidence has no evaluation.ageDays.")
    assert judged("evaluation.ageDays < 30.0").value is True
    assert judged("evaluation.count == 0 && evaluation.suiteCount == 1", subject=without).value is True


TEN = "[1,2,3,4,5,6,7,8,9,10]"


@pytest.mark.parametrize("depth", [4, 5, 8])
def test_loops_are_bounded(depth: int) -> None:
    text = "true"
    for number in range(depth):
        text = f"{TEN}.all(x{number}, {text})"
    begun = time.thread_time()
    found = judged(text)
    assert (found.value, found.error) == (None, "Iteration budget exceeded.")
    assert time.thread_time() - begun < 5, "bounded work, whatever the depth: 10^8 rounds would take minutes"


def test_many_artifacts_do_not_multiply() -> None:
    item = {"id": "a", "type": "weights", "name": "m", "sha256": "a" * 64, "size": 1}
    many = {"artifacts": [item] * 1000}
    assert judged("artifacts.all(a, a.size < 5)", subject=many).value is True
    found = judged("artifacts.all(a, artifacts.all(b, artifacts.all(c, true)))", subject=many)
    assert (found.value, found.error) == (None, "Iteration budget exceeded.")


# --- explaining -------------------------------------------------------------------------------------------


def test_a_rule_explains_itself_clause_by_clause_with_the_actual_values() -> None:
    found = judged(
        "evaluation.taskMetrics.accuracy >= 0.9 && (model.riskTier != 'High' || 'reviewed' in model.tags)",
        model={"riskTier": "High", "tags": ["retail"]},
        subject={"evaluations": [sample_evaluation(taskMetrics={"accuracy": 0.87})]},
    )
    assert found.value is False
    assert [clause.to_json() for clause in found.clauses] == [
        {
            "clause": "evaluation.taskMetrics.accuracy >= 0.9",
            "value": False,
            "actual": {"evaluation.taskMetrics.accuracy": 0.87},
        },
        {"clause": "model.riskTier != 'High'", "value": False, "actual": {"model.riskTier": "High"}},
        {"clause": "'reviewed' in model.tags", "value": False, "actual": {"model.tags": ["retail"]}},
    ]
    assert found.clauses[0].sentence == (
        "`evaluation.taskMetrics.accuracy >= 0.9` is false (evaluation.taskMetrics.accuracy is 0.87)."
    )


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("true", ["true"]),
        ("!(model.name == 'a' || model.group == 'b')", ["!(model.name == 'a' || model.group == 'b')"]),
        ("model.name == 'a' ? true : model.group == 'b'", ["model.name == 'a' ? true : model.group == 'b'"]),
        (
            "((model.name == 'a')) || (model.group == 'b' && true)",
            ["((model.name == 'a'))", "model.group == 'b'", "true"],
        ),
        ("artifacts.exists(a, a.type == 'x' && a.size > 1)", ["artifacts.exists(a, a.type == 'x' && a.size > 1)"]),
        ("model.name == 'a' && model.name == 'a'", ["model.name == 'a'"]),
        ("artifactCount -1 == 0 && true", ["artifactCount -1 == 0", "true"]),
        ("true == has(version.metadata.a) && true", ["true == has(version.metadata.a) && true"]),
    ],
)
def test_clauses(text: str, clauses: list[str]) -> None:
    assert [clause.text for clause in judged(text).clauses] == clauses


def test_long_values_are_told_by_their_size() -> None:
    found = judged("version.metadata.modelCard != {} && artifacts != [] && model.description != ''",
                   model={"description": "x" * 1000})  # fmt: skip
    actual = {name: value for clause in found.clauses for name, value in clause.actual.items()}
    assert actual["version.metadata.modelCard"] == "(3 items)"
    assert actual["artifacts"] == "(1 items)"
    assert len(actual["model.description"]) == 201


# --- variables --------------------------------------------------------------------------------------------


def test_every_variable_has_a_meaning_and_a_value_of_its_type() -> None:
    facts = facts_of(sample_case(ASK), [variable.name for variable in VARIABLES])
    literal = {
        "string": "''", "int": "0", "double": "0.0", "list(string)": "['']", "list(map(string, dyn))": "[{'': dyn(0)}]",
        "map(string, double)": "{'': 0.0}", "map(string, dyn)": "{'': dyn(0)}",
    }  # fmt: skip
    for variable in VARIABLES:
        assert variable.meaning.endswith(".")
        assert variable.name in facts
        rule = compile_rule(f"{variable.name} != {literal[variable.type]} || true")
        assert rule.judge({variable.name: facts[variable.name]}).value is True
        assert all(clause.error is None for clause in rule.judge(facts).clauses), variable.name


def test_only_what_a_rule_speaks_of_is_needed() -> None:
    assert compile_rule("model . riskTier == 'Low'").variables == {"model.riskTier"}
    assert needs_of(compile_rule("evaluation.count > 0 && serving == []").variables) == {"evaluations", "serving"}
    assert needs_of(compile_rule("model.riskTier == 'Low'").variables) == frozenset()


def test_of_several_suites_the_worst_value_counts() -> None:
    def suites(*items: tuple[str, dict[str, float], dict[str, Any]]) -> dict[str, Any]:
        return {
            "evaluations": [
                sample_evaluation(suiteId=name, taskMetrics=metrics, thresholds=limits)
                for name, metrics, limits in items
            ]
        }

    two = suites(
        ("a", {"accuracy": 0.9, "log_loss": 0.2, "latency": 5}, {"latency": {"max": 9}}),
        ("b", {"accuracy": 0.8, "log_loss": 0.4, "latency": 7}, {"latency": {"max": 9}}),
    )
    case = sample_case(ASK, subject=two)
    assert facts_of(case, ["evaluation.taskMetrics"]) == {
        "evaluation.taskMetrics": {"accuracy": 0.8, "log_loss": 0.4, "latency": 7.0}
    }
    odd = suites(("a", {"accuracy": True, "f1": "high", "r2": None}, {}))  # type: ignore[dict-item]
    assert facts_of(sample_case(ASK, subject=odd), ["evaluation.taskMetrics"]) == {"evaluation.taskMetrics": {}}


def test_time_is_that_of_the_case() -> None:
    case = sample_case(ASK)
    later = replace(case, as_of=case.as_of.replace(day=25))
    rule = compile_rule("evaluation.ageDays < 7.0")
    assert rule.judge(facts_of(case, rule.variables)).value is True
    assert rule.judge(facts_of(later, rule.variables)).value is False
