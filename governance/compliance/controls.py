"""The controls: each is one question to the evidence, answered with what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from governance.access.roles import Role
from governance.compliance.facts import Facts

Status = Literal["met", "not_met", "unknown", "not_applicable"]

LEAST_AUDIT_MONTHS = 6
"""How long logs are kept at least (Regulation (EU) 2024/1689, Articles 19(1) and 26(6))."""


@dataclass(frozen=True, slots=True)
class Answer:
    """because: a sentence for people."""

    status: Status
    because: str


@dataclass(frozen=True, slots=True)
class Control:
    """title: the question; judge answers it."""

    title: str
    judge: Callable[[Facts], Answer]


def _met(because: str) -> Answer:
    return Answer("met", because)


def _not_met(because: str) -> Answer:
    return Answer("not_met", because)


def _gate(policy: str, what: str) -> Callable[[Facts], Answer]:
    """The verdict of a policy at the decision that let the version into production."""

    def judge(facts: Facts) -> Answer:
        if facts.decision_id is None:
            return _not_met("No approval for production is recorded.")
        outcome = facts.verdicts.get(policy)
        if outcome == "passed":
            return _met(f"{what}, judged on {facts.decided_at:%Y-%m-%d} (request {facts.decision_id}).")
        if outcome is None:
            return Answer("unknown", f"The policy {policy} did not judge request {facts.decision_id}.")
        return _not_met(f"The policy {policy} said {outcome} in request {facts.decision_id}.")

    return judge


def _card(*fields: str) -> Callable[[Facts], Answer]:
    def judge(facts: Facts) -> Answer:
        missing = [name for name in fields if not _said(facts.card.get(name))]
        if missing:
            return _not_met(f"The model card says nothing about {', '.join(missing)}.")
        return _met(f"The model card tells {', '.join(fields)}.")

    return judge


def _said(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _owned(facts: Facts) -> Answer:
    if not facts.owners:
        return _not_met("Nobody is named as owner.")
    return _met(f"{', '.join(facts.owners)} answer for it; risk tier {facts.risk_tier}.")


def _approved_by_people(facts: Facts) -> Answer:
    if facts.decision_id is None:
        return _not_met("No approval for production is recorded.")
    if not facts.approvers:
        return _not_met(f"Nobody is recorded as approver of request {facts.decision_id}.")
    names = ", ".join(sorted(str(one["name"]) for one in facts.approvers))
    return _met(f"Approved by {names} on {facts.decided_at:%Y-%m-%d} for {facts.evidence_digest}.")


def _validated(facts: Facts) -> Answer:
    if facts.risk_tier != "High":
        return Answer("not_applicable", f"The model is of risk tier {facts.risk_tier}.")
    validators = [one for one in facts.approvers if Role.VALIDATOR.value in one["roles"]]
    if not validators:
        return _not_met("No independent validator is among the approvers.")
    return _met(f"{validators[0]['name']} approved as independent validator.")


def _logged(facts: Facts) -> Answer:
    if facts.audit_months is not None and facts.audit_months < LEAST_AUDIT_MONTHS:
        return _not_met(f"Entries are kept for {facts.audit_months} months, less than {LEAST_AUDIT_MONTHS}.")
    kept = "for ever" if facts.audit_months is None else f"for {facts.audit_months} months"
    return _met(f"Every change is an entry of the signed audit log, kept {kept}.")


def _findings_handled(facts: Facts) -> Answer:
    late = [one for one in facts.findings if one.due_at is not None and one.due_at < facts.as_of]
    grave = [one for one in facts.findings if one.severity in ("high", "critical")]
    if late:
        return _not_met(f"{len(late)} finding(s) are overdue: {late[0].title}")
    if grave:
        return _not_met(f"{len(grave)} grave finding(s) are open: {grave[0].title}")
    return _met(f"{len(facts.findings)} finding(s) open, none of them grave or overdue.")


def _reviewed(facts: Facts) -> Answer:
    if facts.state != "production":
        return Answer("not_applicable", f"The version is {facts.state}, not in production.")
    if facts.review_due is None:
        return Answer("unknown", "No date for the next review is recorded.")
    if facts.review_due < facts.as_of:
        return _not_met(f"The review was due on {facts.review_due:%Y-%m-%d}.")
    return _met(f"The next review is due on {facts.review_due:%Y-%m-%d}.")


def _family(family: str, what: str) -> Callable[[Facts], Answer]:
    def judge(facts: Facts) -> Answer:
        if facts.metrics.get(family):
            return _met(f"{facts.metrics[family]} value(s) of {what} were part of the decision.")
        return Answer("unknown", f"The evidence holds no value of {what}.")

    return judge


def _can_return(facts: Facts) -> Answer:
    if facts.state != "production":
        return Answer("not_applicable", f"The version is {facts.state}, not in production.")
    if facts.restorable:
        return _met("An earlier version can return to production.")
    return _not_met("There is no earlier version to go back to.")


CONTROLS: dict[str, Control] = {
    "ownership": Control("Does somebody answer for it, and is its risk known?", _owned),
    "record-complete": Control(
        "Is the record complete?", _gate("completeness", "Owners, licence, description and card were there")
    ),
    "intended-use": Control("Is it written what it is for, and what not?", _card("intendedUse", "limitations")),
    "training-data": Control("Is it written what it was trained on?", _card("trainingData")),
    "evaluated": Control("Was it evaluated against limits?", _gate("evaluation", "Every suite met its thresholds")),
    "no-regression": Control(
        "Is it no worse than its predecessor?",
        _gate("no-worse-than-incumbent", "It was shown to be no worse than the version before"),
    ),
    "bias-measured": Control("Was bias measured?", _family("biasMetrics", "bias")),
    "robustness-measured": Control("Was robustness measured?", _family("robustnessMetrics", "robustness")),
    "integrity": Control(
        "Are the artifacts what was judged?", _gate("artifact-integrity", "Every digest was computed again")
    ),
    "safe-format": Control(
        "Can loading it run foreign code?", _gate("safe-weight-format", "The weights cannot run code when loaded")
    ),
    "human-decision": Control("Did people decide, on exact content?", _approved_by_people),
    "independent-validation": Control("Did somebody independent validate it?", _validated),
    "event-log": Control("Are events recorded, and kept long enough?", _logged),
    "findings-handled": Control("Are findings dealt with in time?", _findings_handled),
    "periodic-review": Control("Is it reviewed again in time?", _reviewed),
    "rollback-ready": Control("Can it be taken back?", _can_return),
}
