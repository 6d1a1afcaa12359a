"""One version against one edition of a framework, on one date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from governance.canonical import rendered
from governance.compliance.applicability import CONDITIONS, system_class
from governance.compliance.controls import CONTROLS, Answer, Status
from governance.compliance.facts import Facts
from governance.compliance.frameworks import Edition, Framework, Requirement

Overall = Literal["met", "not_met", "unknown", "upcoming", "not_applicable"]


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """binding: does it bind on the date already? `answers`: by control."""

    requirement: Requirement
    status: Status
    because: tuple[str, ...]
    binds_from: date
    binding: bool
    answers: dict[str, Answer]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.requirement.id,
            "title": self.requirement.title,
            "status": self.status,
            "because": list(self.because),
            "bindsFrom": self.binds_from.isoformat(),
            "binding": self.binding,
            "controls": [
                {"id": name, "title": CONTROLS[name].title, "status": answer.status, "because": answer.because}
                for name, answer in self.answers.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """`status` over what binds on the date; "upcoming": nothing binds yet and something is not met."""

    framework: Framework
    edition: Edition | None
    facts: Facts
    results: tuple[RequirementResult, ...]
    status: Overall
    because: str

    def to_json(self) -> dict[str, Any]:
        facts, edition = self.facts, self.edition
        return {
            "framework": self.framework.id,
            "edition": edition.id if edition else None,
            "modelId": facts.model_id,
            "modelName": facts.model_name,
            "versionId": facts.version_id,
            "version": facts.version,
            "state": facts.state,
            "asOf": rendered(facts.as_of),
            "status": self.status,
            "because": self.because,
            "evidence": {"requestId": facts.decision_id, "digest": facts.evidence_digest},
            "requirements": [result.to_json() for result in self.results],
        }


def assess(framework: Framework, facts: Facts) -> Assessment:
    """What the edition in effect on `facts.as_of` says about this version then."""
    on = facts.as_of.date()
    edition = framework.edition_on(on)
    if edition is None:
        because = f"No edition of {framework.title} is in effect on {on}."
        return Assessment(framework, None, facts, (), "not_applicable", because)
    binds_from = edition.binds_from(system_class(facts))
    results = tuple(_result(requirement, facts, binds_from) for requirement in edition.requirements)
    status, because = _overall(results, binds_from)
    return Assessment(framework, edition, facts, results, status, because)


def _result(requirement: Requirement, facts: Facts, binds_from: date) -> RequirementResult:
    binding = binds_from <= facts.as_of.date()
    exempt = CONDITIONS[requirement.when](facts)
    if exempt is not None:
        return RequirementResult(requirement, "not_applicable", (exempt,), binds_from, binding, {})
    answers = {name: CONTROLS[name].judge(facts) for name in requirement.controls}
    status = _worst(answers)
    because = tuple(answer.because for answer in answers.values() if answer.status == status)
    return RequirementResult(requirement, status, because, binds_from, binding, answers)


def _worst(answers: dict[str, Answer]) -> Status:
    """Not met before unknown before met; a control that does not apply decides nothing unless all do not."""
    found = {answer.status for answer in answers.values()}
    for status in ("not_met", "unknown", "met"):
        if status in found:
            return status
    return "not_applicable"


def _overall(results: tuple[RequirementResult, ...], binds_from: date) -> tuple[Overall, str]:
    open_ones = [result for result in results if result.status in ("not_met", "unknown")]
    if all(result.status == "not_applicable" for result in results):
        return "not_applicable", results[0].because[0] if results else "The edition has no requirement."
    if not open_ones:
        return "met", "Every requirement that applies is met."
    named = ", ".join(result.requirement.id for result in open_ones[:5])
    if not any(result.binding for result in open_ones):
        return "upcoming", f"Binding from {binds_from}; open until then: {named}."
    worst: Overall = "not_met" if any(result.status == "not_met" for result in open_ones) else "unknown"
    return worst, f"Open: {named}."
