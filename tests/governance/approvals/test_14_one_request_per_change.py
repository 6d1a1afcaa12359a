"""Behaviour 14: a version is moved by one request at a time; equal changes are decided in one batch, each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.errors import (
    ApprovalInvalidated,
    Forbidden,
    InvalidInput,
    NotFound,
    RequestOpen,
    SelfApproval,
    UnlikeChanges,
)
from governance.operations import batches
from governance.operations.batches import Item, Outcome
from governance.operations.calls import IdempotencyKey
from governance.requests import RequestStatus, TransitionRequest
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import DEVELOPER, RegistryUnderTest
from tests.governance.approvals.deciding import newcomer, settled
from tests.governance.operations.situations import WAY, bring, evidence_of, in_production, parked, query, stored

__all__ = ["shared_registry"]


def upgrade(r: RegistryUnderTest, weights: bytes = b"the same new weights") -> TransitionRequest:
    """A request to put 2.0.0 in the place of 1.0.0, of a model of its own."""
    model = in_production(r, "1.0.0")
    r.version(model, "2.0.0", weights=weights)
    bring(r, model, "2.0.0", WAY[3])
    request = r.open(model, "2.0.0", "approve_production")
    r.approve(request, evidence=evidence_of(r, request))
    return stored(r, request)


def item(request: TransitionRequest) -> Item:
    return Item(request.id, request.evidence_digest or "")


def decide_all(r: RegistryUnderTest, *items: Item, **more: object) -> list[Outcome]:
    call = r.call(more.pop("by", r.grace), **more)  # type: ignore[arg-type]
    return batches.decide_all(r.unit, call, items, decision="approve", comment="The same everywhere.")


def count(r: RegistryUnderTest, *requests: TransitionRequest) -> int:
    ids = [request.id for request in requests]
    return int(query(r, "select count(*) from approvals where request_id = any(%s::uuid[])", ids)[0][0])


def test_one_request_moves_a_version_at_a_time(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    with pytest.raises(RequestOpen):
        r.open(request.model_id, "1.0.0", "approve_production")


def test_equal_changes_are_decided_in_one_batch(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    requests = [upgrade(r) for _ in range(3)]
    outcomes = decide_all(r, *map(item, requests))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    for request in requests:
        assert r.settle(request, evidence_of(r, request)).status is RequestStatus.APPLIED


def test_different_changes_are_refused_and_nothing_is_recorded(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    same, also, other = upgrade(r), upgrade(r), upgrade(r, b"quite other weights")
    with pytest.raises(UnlikeChanges) as refusal:
        decide_all(r, item(same), item(also), item(other))
    told = {one["requestId"]: one["differenceDigest"] for one in refusal.value.details["requests"]}
    assert set(told) == {same.id, also.id, other.id}
    assert told[same.id] == told[also.id] != told[other.id]
    assert count(r, same, also, other) == 0


def test_another_tier_is_another_change(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    low, medium = parked(r), parked(r, risk_tier="Medium")
    with pytest.raises(UnlikeChanges):
        decide_all(r, item(low), item(medium))


def test_each_is_refused_by_itself(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    good, stale, conflicted = upgrade(r), upgrade(r), upgrade(r)
    with r.unit() as uow:
        uow.access.contributed(conflicted.version_id, r.grace.id, "trainer", r.at)
        uow.commit()
    outcomes = decide_all(
        r, replace(item(stale), evidence_digest="sha256:" + "0" * 64), item(good), item(conflicted), Item(new_id(), ""),
        Item("nonsense", ""),
    )  # fmt: skip
    kinds = [type(outcome.error).__name__ for outcome in outcomes]
    assert kinds == ["ApprovalInvalidated", "NoneType", "ConflictOfInterest", "NotFound", "NotFound"]
    assert count(r, good, stale, conflicted) == 1
    assert settled(r, good).status is RequestStatus.APPLIED


def test_a_batch_gives_no_right_that_one_has_not(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    for person in (r.dev, newcomer(r, DEVELOPER, "lab")):
        with pytest.raises(Forbidden):
            decide_all(r, item(request), by=person)
    r.change(r.dev.id, roles=[*DEVELOPER, "approver"], in_groups=r.dev.groups)
    (outcome,) = decide_all(r, item(request), by=r.principal(r.dev.id))
    assert isinstance(outcome.error, SelfApproval)
    r.change(r.dev.id, roles=DEVELOPER, in_groups=r.dev.groups)
    assert settled(r, request).kind == "waiting"


def test_it_is_bounded_and_names_each_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    one = Item(new_id(), "")
    for items in ([], [one, one], [one, replace(one, request_id=one.request_id.upper())], [Item(new_id(), "")] * 1):
        if len(items) == 1:
            assert isinstance(decide_all(r, *items)[0].error, NotFound)
            continue
        with pytest.raises(InvalidInput):
            decide_all(r, *items)
    with pytest.raises(InvalidInput):
        decide_all(r, *[Item(new_id(), "") for _ in range(101)])


def test_it_is_repeatable_under_its_key(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    key = IdempotencyKey.of(new_id(), "batch")
    for _ in range(3):
        (outcome,) = decide_all(r, item(request), idempotency=key)
        assert outcome.error is None
    assert count(r, request) == 1
    ((recorded,),) = query(
        r, "select count(*) from audit_outbox where entry::text like %s", f"%request:approved%{request.id}%"
    )
    assert recorded == 1


def test_what_changed_meanwhile_is_not_decided(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    r.publish("completeness", {"minimum_description": 11})
    (outcome,) = decide_all(r, item(request))
    assert isinstance(outcome.error, ApprovalInvalidated)
    assert outcome.error.details["difference"]
