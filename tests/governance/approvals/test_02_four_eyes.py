"""Behaviour 2: whoever asked, wrote or trained it does not decide, by whatever account, delegation or group."""

from __future__ import annotations

import pytest

from governance.errors import ConflictOfInterest, Forbidden, SelfApproval
from governance.operations import groups
from governance.operations.delegations import NewDelegation, delegate
from governance.requests import RequestStatus
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, DEVELOPER, VALIDATOR, RegistryUnderTest
from tests.governance.approvals.deciding import newcomer, settled, vote
from tests.governance.operations.situations import parked

__all__ = ["shared_registry"]


def both(r: RegistryUnderTest) -> None:
    """Dana builds and decides, as in a small team."""
    r.change(r.dev.id, roles=[*DEVELOPER, *APPROVER], in_groups=r.dev.groups)
    r.dev = r.principal(r.dev.id)


def test_the_requester_by_themselves_and_by_a_second_token(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    both(r)
    request = parked(r)
    for _ in range(2):  # what a token is called makes nobody else of its holder
        token, _ = r.token(r.dev)
        assert token
        with pytest.raises(SelfApproval):
            vote(r, request, r.principal(r.dev.id))
    assert settled(r, request).kind == "waiting"


def test_a_service_account_decides_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    for owner in (r.dev, r.grace):
        service = newcomer(r, APPROVER, "risk", kind="service", owner=owner.name)
        with pytest.raises(Forbidden):
            vote(r, request, service)
    assert settled(r, request).kind == "waiting"


def test_what_a_service_account_made_its_owner_made(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request, owner = parked(r), newcomer(r)
    service = newcomer(r, DEVELOPER, "lab", kind="service", owner=owner.name)
    with r.unit() as uow:
        uow.access.contributed(request.version_id, service.id, "trainer", r.at)
        uow.commit()
    with pytest.raises(ConflictOfInterest):
        vote(r, request, owner)
    assert settled(r, request).kind == "waiting"


def test_by_delegation_in_either_direction(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    both(r)
    request = parked(r)
    ends = r.at.replace(day=r.at.day + 5)
    delegate(r.unit(), r.call(r.dev), NewDelegation(r.alan.name, ends))
    with pytest.raises(SelfApproval):
        vote(r, request, r.alan, on_behalf_of=r.dev.id)
    delegate(r.unit(), r.call(r.alan), NewDelegation(r.dev.name, ends))
    with pytest.raises(SelfApproval):
        vote(r, request, r.dev, on_behalf_of=r.alan.id)
    assert settled(r, request).kind == "waiting"


def test_another_name_of_a_group_is_no_other_group(shared_registry: RegistryUnderTest) -> None:
    """Of risk tier High: a group and one below it are the same people under two names."""
    r = shared_registry
    request, name = parked(r, risk_tier="High"), f"risk-team-{new_id()}"
    groups.create_group(r.unit(), r.call(None), groups.NewGroup(name, parent="risk"))
    for person in (r.grace, r.alan, newcomer(r, VALIDATOR, name)):
        vote(r, request, person)
    assert settled(r, request).kind == "waiting"
    vote(r, request, r.edsger)
    assert settled(r, request).status is RequestStatus.APPLIED
