"""Behaviour 3: Low takes one, Medium two, High three from two groups with independent validation among them."""

from __future__ import annotations

import pytest

from governance.access.principal import Principal
from governance.requests import RequestStatus
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import VALIDATOR, RegistryUnderTest
from tests.governance.approvals.deciding import approvals_gate, newcomer, settled, vote
from tests.governance.operations.situations import parked, query

__all__ = ["shared_registry"]


@pytest.mark.parametrize(("tier", "needed"), [("Low", 1), ("Medium", 2), ("High", 3)])
def test_each_tier_takes_its_number(shared_registry: RegistryUnderTest, tier: str, needed: int) -> None:
    r = shared_registry
    request = parked(r, risk_tier=tier)
    for number, person in enumerate((r.edsger, r.grace, r.alan)[:needed], start=1):
        assert settled(r, request).kind == "waiting"
        assert f"needs {needed} approval(s)" in approvals_gate(r, request)
        vote(r, request, person)
        assert number <= needed
    assert settled(r, request).status is RequestStatus.APPLIED


def test_high_takes_a_validator(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="High")
    for person in (r.grace, r.alan, newcomer(r, (r_role := list(r.grace.roles)), "clinical")):
        vote(r, request, person)
    assert r_role
    assert settled(r, request).kind == "waiting"
    assert "by independent model validation; so far: nobody" in approvals_gate(r, request)
    vote(r, request, newcomer(r, VALIDATOR, "legal"))
    assert settled(r, request).status is RequestStatus.APPLIED


def test_a_validator_of_the_same_group_makes_no_second_group(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="High")
    for person in (r.grace, r.alan, newcomer(r, VALIDATOR, "risk")):
        vote(r, request, person)
    assert "2 groups" in approvals_gate(r, request)
    vote(r, request, newcomer(r, list(r.grace.roles), "clinical"))
    assert settled(r, request).status is RequestStatus.APPLIED


def test_a_validator_who_became_an_approver_validates_no_longer(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request, validator = parked(r, risk_tier="High"), newcomer(r, VALIDATOR, "legal")
    for person in (r.grace, r.alan, validator):
        vote(r, request, person)
    r.change(validator.id, roles=["approver"])
    assert settled(r, request).kind == "waiting"
    r.change(validator.id, roles=["validator"])
    assert settled(r, request).status is RequestStatus.APPLIED


def test_the_number_of_validators_is_a_parameter(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    validators = {"Low": 1, "Medium": 1, "High": 2}
    r.publish("approvals", {"validators": validators})
    request = parked(r)
    vote(r, request, r.grace)
    assert settled(r, request).kind == "waiting"
    vote(r, request, r.edsger)
    assert settled(r, request).status is RequestStatus.APPLIED


def test_a_changed_mind_before_the_quorum_replaces_the_vote(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    vote(r, request, r.grace, "reject", comment="Where are the data from?")
    vote(r, request, r.grace, comment="I found it.")
    assert query(r, "select decision from approvals where request_id = %s", request.id) == [("approve",)]
    vote(r, request, r.alan)
    assert settled(r, request).status is RequestStatus.APPLIED


@pytest.mark.parametrize("decision", ["reject", "request_changes"])
def test_one_veto_sends_it_back_whatever_the_others_say(shared_registry: RegistryUnderTest, decision: str) -> None:
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    people: list[Principal] = [r.alan, r.edsger]
    for person in people:
        vote(r, request, person)
    vote(r, request, r.grace, decision, comment="Cite the data.")
    done = settled(r, request)
    assert done.status is RequestStatus.DENIED
    assert "Cite the data." in " ".join(done.outcome["reasons"])
