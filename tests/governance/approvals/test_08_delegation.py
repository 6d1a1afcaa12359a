"""Behaviour 8: somebody else decides for a while, for a part, with one's own rights of now, and never twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import Conflict, ConflictOfInterest, Forbidden, InvalidInput, NotFound, SelfApproval
from governance.operations import delegations
from governance.operations.delegations import NewDelegation
from governance.requests import RequestStatus
from storage.composition import new_id
from tests.fixtures.registry import APPROVER, RegistryUnderTest
from tests.governance.approvals.deciding import approvals_gate, newcomer, settled, vote
from tests.governance.operations.situations import events, parked, query

READER = (Role.VIEWER,)


def give(r: RegistryUnderTest, giver: Principal, taker: Principal | str, *, days: float = 5, **more: Any) -> str:
    name = taker if isinstance(taker, str) else taker.name
    new = NewDelegation(name, ends_at=more.pop("ends_at", r.at + timedelta(days=days)), **more)
    return delegations.delegate(r.unit(), r.call(giver), new)


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    return registry_under_test


@pytest.fixture
def bob(r: RegistryUnderTest) -> Principal:
    """Reads in the group whose models are asked about, and decides nothing by himself."""
    return r.person("bob", READER, "lab")


def test_a_delegate_decides_with_the_rights_of_somebody_else(r: RegistryUnderTest, bob: Principal) -> None:
    request = parked(r)
    with pytest.raises(Forbidden):
        vote(r, request, bob)
    with pytest.raises(Forbidden):
        vote(r, request, bob, on_behalf_of=r.grace.id)
    given = give(r, r.grace, bob, reason="Two weeks in the mountains.")
    vote(r, request, bob, on_behalf_of=r.grace.id)
    assert "Approved by bob for grace." in approvals_gate(r, request)
    assert settled(r, request).status is RequestStatus.APPLIED
    (recorded,) = [event for event in events(r, request.id) if event.action == "request:approved"]
    assert (recorded.actor.name, recorded.details["onBehalfOf"]) == ("bob", r.grace.id)
    assert [event.action for event in events(r, given)] == ["delegation:created"]


@pytest.mark.parametrize(
    "scope",
    [
        {"transitions": ["approve_staging"]},
        {"risk_tiers": ["Medium", "High"]},
        {"groups": ["clinical"]},
        {"transitions": ["approve_production"], "risk_tiers": ["Low"], "groups": ["risk"]},
    ],
)
def test_not_beyond_its_scope(r: RegistryUnderTest, bob: Principal, scope: dict[str, Any]) -> None:
    request = parked(r)
    give(r, r.grace, bob, **scope)
    with pytest.raises(Forbidden, match="delegated this decision"):
        vote(r, request, bob, on_behalf_of=r.grace.id)
    give(r, r.grace, bob, transitions=["approve_production"], risk_tiers=["Low"], groups=["lab"])
    vote(r, request, bob, on_behalf_of=r.grace.id)
    assert settled(r, request).status is RequestStatus.APPLIED


def test_not_before_it_starts_nor_after_it_ends(r: RegistryUnderTest, bob: Principal) -> None:
    request = parked(r)
    give(r, r.grace, bob, starts_at=r.at + timedelta(days=1), days=3)
    for later, decided in ((0, False), (1, True), (2, False)):
        r.later(days=later)
        if decided:
            vote(r, request, bob, on_behalf_of=r.grace.id)
        else:
            with pytest.raises(Forbidden):
                vote(r, request, bob, "reject", on_behalf_of=r.grace.id)
    assert settled(r, request).status is RequestStatus.APPLIED, "it was decided in time"


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": 30.01},
        {"days": 0},
        {"days": -1},
        {"starts_at": timedelta(days=5), "days": 5},
        {"starts_at": timedelta(days=100), "days": 101},
        {"transitions": ["submit"]},
        {"transitions": ["nonsense"]},
        {"risk_tiers": ["Extreme"]},
        {"groups": ["nobody-has-heard-of-it"]},
        {"groups": ["../x"]},
        {"reason": "\x00"},
    ],
)
def test_out_of_bounds(r: RegistryUnderTest, bob: Principal, wrong: dict[str, Any]) -> None:
    if "starts_at" in wrong:
        wrong = {**wrong, "starts_at": r.at + wrong["starts_at"]}
    with pytest.raises(InvalidInput):
        give(r, r.grace, bob, **wrong)
    assert query(r, "select count(*) from delegations") == [(0,)]


def test_only_to_other_people_who_are_there(r: RegistryUnderTest, bob: Principal) -> None:
    service = newcomer(r, APPROVER, "risk", kind="service", owner="alan")
    r.change(bob.id, active=False)
    for taker in (r.grace, service, bob):
        with pytest.raises(InvalidInput):
            give(r, r.grace, taker)
    with pytest.raises(NotFound):
        give(r, r.grace, "nobody")
    with pytest.raises(Forbidden):
        give(r, service, r.alan)


def test_it_is_not_handed_on(r: RegistryUnderTest, bob: Principal) -> None:
    request, carol = parked(r), r.person("carol", READER, "lab")
    give(r, r.grace, bob)
    with pytest.raises(Forbidden):
        give(r, bob, carol)
    query(
        r,
        """insert into delegations (id, delegator_id, delegate_id, groups, transitions, risk_tiers, reason, starts_at,
           ends_at, created_at) values (%s, %s, %s, '{}', '{}', '{}', '', %s, %s, %s)""",
        *(new_id(), bob.id, carol.id, r.at - timedelta(days=1), r.at + timedelta(days=1), r.at),
    )
    for behind in (bob.id, r.grace.id):
        with pytest.raises(Forbidden):
            vote(r, request, carol, on_behalf_of=behind)
    assert settled(r, request).kind == "waiting"


def test_not_to_the_benefit_of_either(r: RegistryUnderTest, bob: Principal) -> None:
    request = parked(r)
    r.change(bob.id, roles=["viewer", "approver"])
    give(r, r.grace, r.dev)
    with pytest.raises(SelfApproval):
        vote(r, request, r.dev, on_behalf_of=r.grace.id)
    give(r, r.alan, bob)
    with r.unit() as uow:
        uow.access.contributed(request.version_id, r.alan.id, "trainer", r.at)
        uow.commit()
    with pytest.raises(ConflictOfInterest, match="alan trained"):
        vote(r, request, bob, on_behalf_of=r.alan.id)
    assert settled(r, request).kind == "waiting"


def test_nobody_votes_twice_as_themselves_and_as_another(r: RegistryUnderTest) -> None:
    request = parked(r, risk_tier="Medium")
    give(r, r.grace, r.alan)
    vote(r, request, r.alan)
    with pytest.raises(Conflict, match="decides twice"):
        vote(r, request, r.alan, on_behalf_of=r.grace.id)
    vote(r, request, r.alan, "approve", comment="Still.")  # one's own mind may change
    assert settled(r, request).kind == "waiting"


def test_nor_first_as_another_and_then_as_themselves(r: RegistryUnderTest) -> None:
    request = parked(r, risk_tier="Medium")
    give(r, r.grace, r.alan)
    vote(r, request, r.alan, on_behalf_of=r.grace.id)
    with pytest.raises(Conflict, match="alan for grace"):
        vote(r, request, r.alan)
    assert settled(r, request).kind == "waiting"


def test_one_person_has_one_voice_however_many_speak_for_them(r: RegistryUnderTest, bob: Principal) -> None:
    request, carol = parked(r, risk_tier="Medium"), r.person("carol", READER, "lab")
    give(r, r.grace, bob)
    give(r, r.grace, carol)
    vote(r, request, bob, on_behalf_of=r.grace.id)
    with pytest.raises(Conflict):
        vote(r, request, carol, on_behalf_of=r.grace.id)
    vote(r, request, r.grace)  # her own word takes the place of bob's
    assert settled(r, request).kind == "waiting"
    vote(r, request, r.alan)
    assert settled(r, request).status is RequestStatus.APPLIED


def test_whoever_delegated_overrules_their_delegate(r: RegistryUnderTest, bob: Principal) -> None:
    request = parked(r)
    give(r, r.grace, bob)
    vote(r, request, bob, "reject", on_behalf_of=r.grace.id, comment="I do not like it.")
    vote(r, request, r.grace, comment="I do.")
    assert settled(r, request).status is RequestStatus.APPLIED


@pytest.mark.parametrize("loss", [{"roles": ["viewer"]}, {"active": False}])
def test_with_the_rights_of_the_other_as_they_are_now(
    r: RegistryUnderTest, bob: Principal, loss: dict[str, Any]
) -> None:
    request, giver = parked(r), newcomer(r)
    give(r, giver, bob)
    vote(r, request, bob, on_behalf_of=giver.id)
    r.change(giver.id, **loss)
    assert settled(r, request).kind == "waiting"
    with pytest.raises(Forbidden):
        vote(r, request, bob, on_behalf_of=giver.id)


def test_a_narrow_token_narrows_what_is_delegated(r: RegistryUnderTest, bob: Principal) -> None:
    from dataclasses import replace

    request = parked(r)
    give(r, r.grace, bob)
    narrow = replace(bob, scopes=frozenset({"model:read", "self:manage"}))
    with pytest.raises(Forbidden):
        vote(r, request, narrow, on_behalf_of=r.grace.id)


def test_who_may_not_see_the_request_cannot_decide_about_it(r: RegistryUnderTest) -> None:
    request, outsider = parked(r), r.person("otto", READER, "sales")
    give(r, r.grace, outsider)
    with pytest.raises(NotFound):
        vote(r, request, outsider, on_behalf_of=r.grace.id)


def test_either_of_the_two_and_administrators_take_it_back(r: RegistryUnderTest, bob: Principal) -> None:
    request = parked(r)
    for revoker in (r.grace, bob, r.admin):
        given = give(r, r.grace, bob)
        with pytest.raises(NotFound):
            delegations.revoke(r.unit(), r.call(r.alan), given)
        for _ in range(2):
            delegations.revoke(r.unit(), r.call(revoker), given)
        assert [event.action for event in events(r, given)] == ["delegation:created", "delegation:revoked"]
        with pytest.raises(Forbidden):
            vote(r, request, bob, on_behalf_of=r.grace.id)


def test_there_is_a_bound_to_how_many(r: RegistryUnderTest, bob: Principal) -> None:
    for _ in range(20):
        given = give(r, r.grace, bob)
    with pytest.raises(Conflict):
        give(r, r.grace, bob)
    delegations.revoke(r.unit(), r.call(r.grace), given)
    give(r, r.grace, bob)
