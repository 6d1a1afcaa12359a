"""Arbitrary text as a rule: it never runs anything, never runs over its cost, and never passes on an error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from governance.evidence import Case
from governance.gates import decide, evaluate
from governance.lifecycle import TransitionName
from governance.policies import ActivePolicy
from governance.policies.rule_policy import RulePolicy, RuleText
from governance.policies.samples import sample_case
from governance.policies.scope import Scope
from governance.rules import VARIABLES, Rule, RuleError, compile_rule, facts_of

ASK = TransitionName.APPROVE_PRODUCTION
SECONDS = 5.0
"""Of processor time, for what takes milliseconds; unbounded loops would take minutes."""

_atoms = st.sampled_from(
    [variable.name for variable in VARIABLES]
    + ["true", "false", "null", "1", "0", "0.9", "'x'", "''", "[]", "{}", "1u", "b'x'", "dyn(1)", "type(1)"]
    + ["evaluation.taskMetrics.accuracy", "evaluation.taskMetrics['f1']", "version.metadata.modelCard.limitations"]
    + ["version.metadata.nothing", "artifacts[0].size", "artifacts[9]", "model.tags[0]", "x", "__import__('os')"]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from(["&&", "||", "==", "!=", "<", ">=", "+", "-", "*", "/", "%", "in"]), inner)
    loops = st.tuples(inner, st.sampled_from(["all", "exists", "exists_one", "map", "filter"]), inner)
    return st.one_of(
        two.map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        loops.map(lambda part: f"{part[0]}.{part[1]}(x, {part[2]})"),
        inner.map(lambda part: f"!({part})"),
        inner.map(lambda part: f"size({part}) > 0"),
        inner.map(lambda part: f"has({part}.a)"),
        st.tuples(inner, inner).map(lambda part: f"{part[0]}.matches({part[1]})"),
        st.tuples(inner, inner, inner).map(lambda part: f"({part[0]} ? {part[1]} : {part[2]})"),
    )


texts = st.one_of(st.recursive(_atoms, _grown, max_leaves=12), st.text(max_size=200))


FORBIDDEN = ("import", "open", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pickle.")
_watching: list[list[str]] = []


def _notice(event: str, _: Any) -> None:
    if _watching and event.startswith(FORBIDDEN):
        _watching[-1].append(event)


sys.addaudithook(_notice)
compile_rule("true && artifactCount > 0")  # imports what it needs


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Python itself tells of every import, opened file, process, connection and compiled code meanwhile."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield
    finally:
        _watching.pop()
    assert seen == []


def test_the_watch_sees_what_it_has_to() -> None:
    with pytest.raises(AssertionError), nothing_runs():
        eval("1 + 1")  # noqa: S307


def policy_of(text: str) -> RulePolicy:
    return RulePolicy(
        name="fuzzed", title="Is it?", kind="governance", enforcement="hard", applies_to=Scope(frozenset({ASK})),
        rules=(RuleText("rule", text, "It is not."),),
    )  # fmt: skip


def compiled(text: str) -> Rule | None:
    """None for what is no rule."""
    begun = time.thread_time()
    try:
        with nothing_runs():
            return compile_rule(text)
    except RuleError:
        return None
    finally:
        assert time.thread_time() - begun < SECONDS


def check(text: str, case: Case) -> None:
    rule = compiled(text)
    if rule is None:
        result = evaluate(ActivePolicy(policy_of(text), 1), case)  # and if it were stored all the same
        assert result.verdict.outcome == "unknown"
        assert decide([result]).outcome == "denied"
        return
    begun = time.thread_time()
    with nothing_runs():
        found = rule.judge(facts_of(case, rule.variables))
    again = rule.judge(facts_of(case, rule.variables))
    assert time.thread_time() - begun < SECONDS
    assert found == again
    assert found.value in (True, False, None)
    assert (found.value is None) == (found.error is not None)
    result = evaluate(ActivePolicy(policy_of(text), 1), case)
    assert result.verdict.outcome == {True: "passed", False: "failed", None: "unknown"}[found.value]
    assert (decide([result]).outcome == "allowed") == (found.value is True)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@example("evaluation.taskMetrics.f1 > 0.1")
@example("''.matches('(((((a*)*)*)*)*)*b')")
@example("[1,2,3,4,5,6,7,8,9].map(a, [1,2,3,4,5,6,7,8,9].map(b, [1,2,3,4,5,6,7,8,9].map(c, 'x' + 'y'))) == []")
@example("!" * 3000 + "true")
@example("-" * 3000 + "1 == 1")
@example("true" + " ? true : true" * 200)
@example("a" + ".b" * 1900 + " == 1")
@example("\ud800")
@example("'\\ud800' == ''")
@given(texts)
def test_arbitrary_text(text: str) -> None:
    check(text, sample_case(ASK))


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([
    "version.metadata.a == version.metadata.b", "version.metadata.a && true", "version.metadata.a.b.c > 0.5",
    "version.metadata.a in version.metadata.b", "size(version.metadata.a) > 0", "version.metadata.a.all(x, x > 1)",
]), _values, _values)  # fmt: skip
def test_arbitrary_metadata(text: str, a: Any, b: Any) -> None:
    case = sample_case(ASK, metadata={"a": a, "b": b})
    rule = compile_rule(text)
    found = rule.judge(facts_of(case, rule.variables))
    assert found.value in (True, False, None)
    assert (found.value is None) == (found.error is not None)
