"""Policies that people write: rules in CEL, each with the sentence that a refusal says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.scope import Enforcement, Kind, Scope
from governance.rules import Finding, RuleError, compile_rule, facts_of, needs_of
from governance.rules.variables import Need
from governance.verdicts import Failed, Passed, Unknown, Verdict

_MOST_CLAUSES = 100
"""In the facts of one verdict; with more, each rule keeps its first five there."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """id: lower-kebab, within the policy. message: what a refusal says."""

    id: str
    expression: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"id": self.id, "expression": self.expression, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class RulePolicy(Policy):
    """Every rule has to be true. One that is false refuses; one that cannot be judged is Unknown, which blocks."""

    name: str  # type: ignore[misc]  # of the instance here, of the class elsewhere
    title: str  # type: ignore[misc]
    kind: Kind  # type: ignore[misc]
    enforcement: Enforcement  # type: ignore[misc]
    applies_to: Scope
    rules: tuple[RuleText, ...]
    examples: tuple[tuple[Case, ...], tuple[Case, ...]] = ((), ())

    @property
    def scope(self) -> Scope:
        return self.applies_to

    @property
    def transitions(self) -> frozenset[TransitionName]:  # type: ignore[override]
        return self.applies_to.transitions

    @property
    def needs(self) -> frozenset[Need]:
        try:
            named = [compile_rule(rule.expression).variables for rule in self.rules]
        except RuleError:  # of another release; it blocks whatever is gathered
            return frozenset()
        return frozenset(need for names in named for need in needs_of(names))

    def judge(self, case: Case) -> Verdict:
        findings = [(rule, _judged(rule, case)) for rule in self.rules]
        facts = {"rules": [_explained(rule, found) for rule, found in findings]}
        if sum(len(found.clauses) for _, found in findings) > _MOST_CLAUSES:
            facts = {"rules": [{**item, "clauses": item["clauses"][:5]} for item in facts["rules"]]}
        if not findings:
            return Unknown("The policy has no rule, so it judges nothing.")
        refused = any(found.value is False for _, found in findings)
        reasons = tuple(line for rule, found in findings if found.value is not True for line in _sentences(rule, found))
        if refused:
            return Failed(reasons, facts=facts)
        if reasons:
            return Unknown(" ".join(reasons), facts=facts)
        return Passed(f"{len(findings)} rule(s) hold: {', '.join(rule.id for rule, _ in findings)}.", facts=facts)

    def samples(self) -> tuple[tuple[Case, ...], tuple[Case, ...]]:  # type: ignore[override]
        return self.examples

    def parameters(self) -> dict[str, Any]:
        return {}

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "builtIn": None, "rules": [rule.to_json() for rule in self.rules]}


def _judged(rule: RuleText, case: Case) -> Finding:
    compiled = compile_rule(rule.expression)
    return compiled.judge(facts_of(case, compiled.variables))


def _explained(rule: RuleText, found: Finding) -> Mapping[str, Any]:
    outcome = "passed" if found.value is True else "failed" if found.value is False else "unknown"
    return {"id": rule.id, "outcome": outcome, "clauses": [clause.to_json() for clause in found.clauses]}


def _sentences(rule: RuleText, found: Finding) -> list[str]:
    """What the rule says, and every clause that is not true with the facts behind it."""
    if found.value is None:
        return [f"{rule.message} The rule {rule.id!r} cannot be judged: {found.error}"]
    because = " ".join(clause.sentence for clause in found.clauses if clause.value is not True)
    return [f"{rule.message} {because}".strip() if because else f"{rule.message} {_whole(found)}"]


def _whole(found: Finding) -> str:
    return " ".join(clause.sentence for clause in found.clauses)
