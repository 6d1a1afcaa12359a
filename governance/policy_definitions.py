"""Policies as data: read from what a person sent or from frozen evidence, checked, and tried on their samples.

    {"name": "fair-enough", "title": "Is it fair?", "kind": "compliance", "enforcement": "soft",
     "scope": {"transitions": ["approve_production"], "riskTiers": ["High"]},
     "rules": [{"id": "gap", "expression": "evaluation.biasMetrics.gap <= 0.1", "message": "The gap is too wide."}],
     "samples": {"allowed": [{"evidence": {...}}], "denied": [{"evidence": {...}}]}}

A sample is what differs from a version with nothing wrong (`governance.policies.samples`): objects are merged, lists
replaced; items of `evaluations` are merged over a sample evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from governance.canonical import canonical_bytes
from governance.errors import InvalidInput
from governance.evidence import Case, Evidence
from governance.gates import evaluate
from governance.lifecycle import TransitionName
from governance.models import checked_text
from governance.policies import BY_NAME, ActivePolicy, Policy, build_policy
from governance.policies.rule_policy import RulePolicy, RuleText
from governance.policies.samples import sample_case, sample_evaluation
from governance.policies.scope import KINDS, Enforcement, Scope
from governance.rules import RuleError, compile_rule

Json = Mapping[str, Any]
MOST_RULES = 20
MOST_SAMPLES = 20
LARGEST_DEFINITION = 100_000
"""Bytes of a policy with its samples."""

LARGEST_SAMPLE = 20_000
"""Bytes of one sample."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_RESERVED = frozenset({*KINDS, "evaluate", "results", "changes", "variables", "compliance-report", "audit-report",
                       "check"})  # fmt: skip
_SCOPE = {"riskTiers": "risk_tiers", "groups": "groups", "tags": "tags", "modelTypes": "model_types"}
_TIERS = ("Low", "Medium", "High")


def checked_name(name: Any, field: str = "name") -> str:
    """Raises InvalidInput unless it is lower-kebab, of at most 64 characters."""
    if not isinstance(name, str) or len(name) > 64 or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{field} is lower-case words joined by hyphens, at most 64 characters.", details={"field": field}
        )
    return name


def draft_of(value: Json) -> RulePolicy:
    """The policy that a person wrote, tried on its samples.

    Raises InvalidInput: `details.problems` has line and column in a rule, or the samples that went the wrong way.
    """
    name = checked_name(value.get("name"))
    if name in BY_NAME or name in _RESERVED:
        raise InvalidInput(f"The name {name!r} is taken by the platform.", details={"field": "name"})
    scope = _scope(value.get("scope"))
    policy = RulePolicy(
        name=name,
        title=_sentence(value.get("title"), "title", 200),
        kind=_one_of(value.get("kind"), "kind", KINDS),
        enforcement=_one_of(value.get("enforcement"), "enforcement", get_args(Enforcement)),
        applies_to=scope,
        rules=_rules(value.get("rules")),
    )
    policy = replace(policy, examples=_samples(value.get("samples"), scope))
    try_samples(policy)
    return policy


def try_samples(policy: Policy) -> None:
    """Raises InvalidInput unless the allowed samples pass and the denied ones do not, one of them by its rule."""
    allowed, denied = policy.samples()
    problems: list[dict[str, Any]] = []
    outcomes = []
    for kind, cases in (("allowed", allowed), ("denied", denied)):
        if not cases:
            problems.append({"sample": kind, "problem": f"there is no {kind} sample."})
        for number, case in enumerate(cases):
            verdict = evaluate(ActivePolicy(policy, 1), case).verdict
            if not policy.scope.covers(case.evidence.subject):
                problems.append(_sample_problem(kind, number, ["it lies outside the scope of the policy."]))
            elif (verdict.outcome == "passed") != (kind == "allowed"):
                problems.append(_sample_problem(kind, number, [f"it came out {verdict.outcome}.", *verdict.reasons]))
            if kind == "denied":
                outcomes.append(verdict.outcome)
    if not problems and "failed" not in outcomes:
        problems.append({"sample": "denied", "problem": "no denied sample is refused by a rule; all cannot be judged."})
    if problems:
        first = problems[0]
        raise InvalidInput(
            f"The samples do not show what the policy says: {first['sample']}: {first['problem']}",
            details={"problems": problems},
        )


def policy_from_json(value: Json) -> ActivePolicy:
    """The inverse of `ActivePolicy.to_json`. Raises InvalidInput for what it did not make, or a rule that is gone."""
    try:
        built_in = value.get("builtIn", value["name"])  # evidence of before policies were data names no rules
        version = int(value["version"])
        if built_in is not None:
            if built_in not in BY_NAME:
                raise InvalidInput(f"This release has no built-in policy {str(built_in)[:100]!r}.")
            return ActivePolicy(build_policy(BY_NAME[built_in], value["parameters"]), version)
        rules = tuple(RuleText(item["id"], item["expression"], item["message"]) for item in value["rules"])
        policy = RulePolicy(
            name=value["name"],
            title=value["title"],
            kind=value["kind"],
            enforcement=value["enforcement"],
            applies_to=Scope.from_json(value["scope"]),
            rules=rules,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"This is no definition of a policy: {type(error).__name__}: {error}") from error
    return ActivePolicy(policy, version)


def sampled(value: Json, scope: Scope | None = None) -> Case:
    """A whole case from a part of one. Raises InvalidInput for a part of another shape."""
    if not isinstance(value, Mapping) or len(canonical_bytes(value)) > LARGEST_SAMPLE:
        raise InvalidInput(f"A sample is an object of at most {LARGEST_SAMPLE:,} bytes.", details={"field": "samples"})
    unknown = set(value) - {"transition", "evidence", "measured", "reason", "note"}
    evidence, measured = value.get("evidence", {}), value.get("measured", {})
    reason = value.get("reason", "")
    if unknown or not isinstance(evidence, Mapping) or not isinstance(measured, Mapping) or not isinstance(reason, str):
        raise InvalidInput(
            "A sample has evidence, measured (objects), reason, note (texts) and transition.",
            details={"field": "samples", "unknown": sorted(map(str, unknown))},
        )
    first = min(scope.transitions).value if scope is not None else TransitionName.APPROVE_PRODUCTION.value
    base = sample_case(_transition(value.get("transition", first)))
    subject = _merged(_fitting(base.evidence.subject, scope), {k: v for k, v in evidence.items() if k != "evaluations"})
    if "evaluations" in evidence:
        given = evidence["evaluations"]
        if not isinstance(given, list) or not all(isinstance(item, Mapping) for item in given):
            raise InvalidInput("evaluations is a list of objects.", details={"field": "samples"})
        subject["evaluations"] = [sample_evaluation(**item) for item in given]
    facts = Evidence({**subject, "transition": base.transition.value}, _merged(base.evidence.measured, measured))
    case = replace(base, evidence=facts, reason=reason)
    _check_shape(case)
    return case


def _check_shape(case: Case) -> None:
    """Of the parts that every rule may rely on."""
    subject = case.evidence.subject
    unknown = sorted(set(subject) - set(sample_case(case.transition).evidence.subject))
    model, version = subject["model"], subject["version"]
    lists = (subject["artifacts"], subject["evaluations"], subject["serving"])
    whole = (
        isinstance(model, Mapping)
        and isinstance(model.get("tags"), list)
        and isinstance(version, Mapping)
        and isinstance(version.get("metadata"), Mapping)
        and all(isinstance(part, list) for part in lists)
    )
    if unknown or not whole:
        raise InvalidInput(
            "A sample has the shape of the evidence that transitions are judged by.",
            details={"field": "samples", "unknown": unknown},
        )


def _fitting(subject: Json, scope: Scope | None) -> dict[str, Any]:
    """The sample moved into the scope, so that a policy for high risk need not say so in each of its samples."""
    if scope is None:
        return dict(subject)
    model, version = dict(subject["model"]), dict(subject["version"])
    if scope.risk_tiers:
        model["riskTier"] = min(scope.risk_tiers)
    if scope.groups:
        model["group"] = min(scope.groups)
    if scope.tags:
        model["tags"] = [min(scope.tags)]
    if scope.model_types:
        version["metadata"] = {**version["metadata"], "modelType": min(scope.model_types)}
    return {**subject, "model": model, "version": version}


def _merged(base: Json, change: Json) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def _samples(value: Any, scope: Scope) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    if not isinstance(value, Mapping) or set(value) - {"allowed", "denied"}:
        raise InvalidInput("samples has the lists allowed and denied.", details={"field": "samples"})

    def of(kind: str) -> tuple[Case, ...]:
        given = value.get(kind)
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_SAMPLES:
            raise InvalidInput(
                f"samples.{kind} is a list of 1 to {MOST_SAMPLES} samples.", details={"field": f"samples.{kind}"}
            )
        return tuple(sampled(item, scope) for item in given)

    return of("allowed"), of("denied")


def _scope(value: Any) -> Scope:
    if not isinstance(value, Mapping) or set(value) - {"transitions", *_SCOPE}:
        raise InvalidInput(f"scope has transitions, and may have {', '.join(_SCOPE)}.", details={"field": "scope"})
    transitions = _names(value.get("transitions"), "scope.transitions")
    if not transitions:
        raise InvalidInput("scope.transitions names at least one.", details={"field": "scope.transitions"})
    lists = {own: _names(value.get(name, []), f"scope.{name}") for name, own in _SCOPE.items()}
    if set(lists["risk_tiers"]) - set(_TIERS):
        raise InvalidInput("scope.riskTiers are among Low, Medium, High.", details={"field": "scope.riskTiers"})
    return Scope(frozenset(map(_transition, transitions)), **{name: frozenset(one) for name, one in lists.items()})


def _names(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(item, str) and item for item in value):
        raise InvalidInput(f"{field} is a list of at most 100 names.", details={"field": field})
    return [checked_text(field, item, limit=200) for item in value]


def _transition(name: Any) -> TransitionName:
    try:
        return TransitionName(name)
    except ValueError:
        raise InvalidInput(
            f"There is no transition {str(name)[:100]!r}.",
            details={"field": "transitions", "known": list(TransitionName)},
        ) from None


def _rules(value: Any) -> tuple[RuleText, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_RULES:
        raise InvalidInput(f"rules is a list of 1 to {MOST_RULES} rules.", details={"field": "rules"})
    rules, problems = [], []
    for item in value:
        if not isinstance(item, Mapping) or set(item) != {"id", "expression", "message"}:
            raise InvalidInput("A rule has id, expression and message.", details={"field": "rules"})
        if not isinstance(item["expression"], str):
            raise InvalidInput("expression is a text in CEL.", details={"field": "rules"})
        identifier = checked_name(item["id"], "rules.id")
        message = _sentence(item["message"], "rules.message", 500)
        rule = RuleText(identifier, item["expression"], message)
        try:
            compile_rule(rule.expression)
        except RuleError as error:
            problems += [{"rule": rule.id, **problem.to_json()} for problem in error.problems]
        rules.append(rule)
    if problems:
        first = problems[0]
        where = f"line {first['line']}, column {first['column']}: " if first["line"] is not None else ""
        raise InvalidInput(f"Rule {first['rule']!r}: {where}{first['problem']}", details={"problems": problems})
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidInput("Each rule has an id of its own.", details={"field": "rules.id"})
    return tuple(rules)


def _sentence(value: Any, field: str, limit: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{field} is a sentence for people.", details={"field": field})
    return checked_text(field, value, limit=limit).strip()


def _one_of(value: Any, field: str, known: Sequence[str]) -> Any:
    if not isinstance(value, str) or value not in known:
        raise InvalidInput(f"{field} is one of {', '.join(known)}.", details={"field": field})
    return cast(Any, value)


def _sample_problem(kind: str, number: int, words: Sequence[str]) -> dict[str, Any]:
    return {"sample": f"{kind}[{number}]", "problem": " ".join(words)}
