"""Findings are first-class: an owner, a severity, a date, what they block, and how they ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from governance.errors import Conflict, ConflictOfInterest, Forbidden, InvalidInput, NotFound
from governance.operations.findings import (
    FindingChange,
    NewFinding,
    change_finding,
    close_finding,
    open_finding,
)
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, DEVELOPER, RegistryUnderTest
from tests.governance.approvals.clock import found, told
from tests.governance.operations.situations import events, model_with_version

__all__ = ["shared_registry"]
WHY = "Measured again: no difference left."


@pytest.mark.parametrize(("severity", "days"), [("low", 90), ("medium", 30), ("high", 14), ("critical", 3)])
def test_due_by_severity_unless_somebody_says_otherwise(
    shared_registry: RegistryUnderTest, severity: str, days: int
) -> None:
    r = shared_registry
    model = model_with_version(r)
    usual = found(r, model, severity=severity, owner="dana")
    sooner = found(r, model, severity=severity, due_at=r.at + timedelta(hours=1))
    with r.unit() as uow:
        assert uow.findings.get(usual).due_at == r.at + timedelta(days=days)
        assert uow.findings.get(usual).owner_id == r.dev.id
        assert uow.findings.get(sooner).due_at == r.at + timedelta(hours=1)


def test_everything_about_it_is_recorded_and_told(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    finding = found(r, model, "promote_production")
    change_finding(r.unit(), r.call(r.alan), finding, FindingChange(owner="dana", severity="critical"))
    change_finding(r.unit(), r.call(r.alan), finding, FindingChange(owner="dana"))  # nothing new, nothing recorded
    close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution=WHY)
    assert [event.action for event in events(r, finding)] == ["finding:opened", "finding:changed", "finding:closed"]
    assert [kind.rpartition(".")[2] for kind in told(r, finding)] == ["opened", "changed", "closed"]
    with pytest.raises(Conflict, match="closed already"):
        close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution=WHY)
    with pytest.raises(Conflict, match="closed already"):
        change_finding(r.unit(), r.call(r.alan), finding, FindingChange(title="Another one."))


@pytest.mark.parametrize("severity", ["high", "critical"])
@pytest.mark.parametrize("kind", ["accepted", "false_positive"])
def test_a_severe_one_takes_a_second_person(shared_registry: RegistryUnderTest, severity: str, kind: str) -> None:
    """Not who opened it, not who made the version, and not by way of a service account."""
    r = shared_registry
    model = model_with_version(r)
    finding = found(r, model, "promote_production", severity=severity)
    author = r.person(f"author-{severity}-{kind}", DEVELOPER, "lab")
    with r.unit() as uow:
        version = uow.findings.get(finding).version_id
        assert version is not None
        uow.access.contributed(version, author.id, "trainer", r.at)
        uow.commit()
    r.change(author.id, roles=[*DEVELOPER, *APPROVER])
    for person in (r.edsger, r.principal(author.id)):
        with pytest.raises(ConflictOfInterest):
            close_finding(r.unit(), r.call(person), finding, kind=kind, resolution=WHY)
        for milder in (FindingChange(severity="low"), FindingChange(blocks=[])):
            with pytest.raises(ConflictOfInterest):
                change_finding(r.unit(), r.call(person), finding, milder)
    close_finding(r.unit(), r.call(r.grace), finding, kind=kind, resolution=WHY)


def test_a_mild_one_or_one_that_was_fixed_does_not(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    close_finding(r.unit(), r.call(r.edsger), found(r, model, severity="medium"), kind="accepted", resolution=WHY)
    close_finding(r.unit(), r.call(r.edsger), found(r, model, severity="high"), kind="fixed", resolution=WHY)


def test_who_may(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    finding = found(r, model)
    with pytest.raises(Forbidden):
        open_finding(r.unit(), r.call(r.dev), NewFinding(model, "1.0.0", "low", "Mine."))
    with pytest.raises(Forbidden):
        close_finding(r.unit(), r.call(r.dev), finding, kind="fixed", resolution=WHY)
    outsider = r.person("outsider", (), "elsewhere")
    with pytest.raises((Forbidden, NotFound)):
        close_finding(r.unit(), r.call(outsider), finding, kind="fixed", resolution=WHY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"severity": "extreme"},
        {"title": "  "},
        {"title": "x" * 501},
        {"owner": "nobody at all"},
        {"blocks": ["rollback"]},
        {"blocks": ["deprecate"]},
        {"blocks": ["nonsense"]},
        {"due_at": "past"},
    ],
)
def test_what_means_nothing_is_refused(shared_registry: RegistryUnderTest, wrong: dict[str, object]) -> None:
    """A finding never holds back what takes a version out of production."""
    r = shared_registry
    model = model_with_version(r)
    if wrong.get("due_at"):
        wrong = {"due_at": r.at - timedelta(days=1)}
    before = len(events(r))
    new = NewFinding(**{"model_id": model, "version": "1.0.0", "severity": "low", "title": "T.", **wrong})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        open_finding(r.unit(), r.call(r.grace), new)
    assert len(events(r)) == before


@pytest.mark.parametrize(("kind", "text"), [("ignored", WHY), ("fixed", ""), ("fixed", "  ok.     ")])
def test_closing_says_how(shared_registry: RegistryUnderTest, kind: str, text: str) -> None:
    r = shared_registry
    finding = found(r, model_with_version(r))
    with pytest.raises(InvalidInput):
        close_finding(r.unit(), r.call(r.grace), finding, kind=kind, resolution=text)
