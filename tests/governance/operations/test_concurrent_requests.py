"""Many people and flows at once: one wins where one may, nothing is served twice, nobody waits for ever."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from governance.deployments import TrafficPlan
from governance.errors import ApprovalInvalidated, Conflict, Duplicate, RequestOpen, RevisionMismatch
from governance.operations import policies, registry, settling
from governance.operations.settling import Settlement
from governance.ports import UnitOfWork
from governance.requests import RequestStatus, TransitionRequest
from storage.local_target import LocalTarget
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    REASON,
    at_once,
    bring,
    carry_out,
    evidence_of,
    in_production,
    model_with_version,
    query,
    traffic,
    waiting_for_a_lock,
)

__all__ = ["shared_registry"]

Action = Callable[[], Any]


def kinds(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def test_sixteen_ask_for_the_same_promotion_and_one_wins(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    answers = at_once([partial(r.open, model, "1.0.0", "promote_production")] * 16)
    assert kinds(answers) == {"TransitionRequest": 1, RequestOpen.__name__: 15}
    (request,) = [answer for answer in answers if isinstance(answer, TransitionRequest)]
    assert carry_out(r, request).status is RequestStatus.APPLIED
    assert r.state(model, "1.0.0") == "production"


def test_different_transitions_of_one_version_exclude_each_other(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    answers = at_once([partial(r.open, model, "1.0.0", name) for name in ("submit", "retire")] * 4)
    assert kinds(answers) == {"TransitionRequest": 1, RequestOpen.__name__: 7}


def test_evaluations_of_one_version_can_be_asked_for_at_once(shared_registry: RegistryUnderTest) -> None:
    """They move nothing, so they do not exclude each other; and must not lock each other out either."""
    r = shared_registry
    model = model_with_version(r)
    for _ in range(4):
        answers = at_once([partial(r.open, model, "1.0.0", "evaluate")] * 8)
        assert kinds(answers) == {"TransitionRequest": 8}


def test_opening_changing_and_settling_never_wait_for_each_other_in_a_circle(
    shared_registry: RegistryUnderTest,
) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    for round_number in range(6):
        version = f"2.{round_number}.0"
        r.version(model, version, weights=version.encode())
        request = r.open(model, version, "submit")
        other = r.open(model, "1.0.0", "evaluate")
        actions: list[Action] = [
            partial(carry_out, r, request),
            partial(r.open, model, version, "evaluate"),
            partial(r.open, model, version, "evaluate"),
            partial(r.attach, model, version, b"other", replace=True),
            partial(registry.update_metadata, r.unit(), r.call(r.dev), model, version, {**METADATA, "n": 1}, None),
            partial(carry_out, r, other),
            partial(r.open, model, "1.0.0", "evaluate"),
            partial(r.publish, "reason-given", {"minimum_characters": 9 + round_number % 2}),
        ]
        answers = at_once(actions)
        assert not [answer for answer in answers if isinstance(answer, Exception)]


def test_two_versions_of_one_model_promoted_at_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    for number in range(3):
        pair = [f"2.{number}.0", f"3.{number}.0"]
        for version in pair:
            r.version(model, version, weights=version.encode())
            bring(r, model, version, "approve_production")
        requests = [r.open(model, version, "promote_production") for version in pair]
        gathered = [(request, evidence_of(r, request)) for request in requests]
        answers = at_once([partial(r.settle, request, evidence) for request, evidence in gathered])
        assert sorted(a.kind if isinstance(a, Settlement) else repr(a) for a in answers) == ["changed", "settled"]
        # the loser looks again, and finds that people compared it with another incumbent
        loser = requests[next(i for i, a in enumerate(answers) if isinstance(a, Settlement) and a.kind == "changed")]
        assert carry_out(r, loser).status is RequestStatus.DENIED
        assert list(traffic(r, model)["production"].values()) == [100]
        states = query(r, "select count(*) from model_versions where model_id = %s and state = 'production'", model)
        assert states == [(1,)]


def test_promotion_and_rollback_of_one_model_at_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    for _ in range(2):
        model = in_production(r, "1.0.0", "2.0.0")
        r.version(model, "3.0.0", weights=b"third")
        bring(r, model, "3.0.0", "approve_production")
        promote = r.open(model, "3.0.0", "promote_production")
        rollback = r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON)
        gathered = [(request, evidence_of(r, request)) for request in (promote, rollback)]
        answers = at_once([partial(r.settle, request, evidence) for request, evidence in gathered])
        assert not [answer for answer in answers if isinstance(answer, Exception)], answers
        for request in (promote, rollback):
            assert carry_out(r, request).kind == "settled"
        assert list(traffic(r, model)["production"].values()) == [100]
        states = dict(query(r, "select version, state from model_versions where model_id = %s", model))
        assert list(states.values()).count("production") == 1
        assert states[next(iter(traffic(r, model)["production"]))] == "production"


class Meeting(LocalTarget):
    """A target where two deployments meet on their way, unless something keeps the second one out."""

    def __init__(self, r: RegistryUnderTest) -> None:
        self._r, self._arrived, self._both = r, 0, threading.Condition()

    def route(self, uow: UnitOfWork, plan: TrafficPlan, request_id: str, at: datetime) -> dict[str, int]:
        before = super().route(uow, plan, request_id, at)
        with self._both:
            self._arrived += 1
            self._both.notify_all()
            for _ in range(3_000):  # at most 30 s
                if self._arrived >= 2 or waiting_for_a_lock(self._r):
                    break
                self._both.wait(0.01)
        return before


def test_staging_serves_one_split_however_many_deploy(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    r.version(model, "2.0.0", weights=b"second")
    for version in ("1.0.0", "2.0.0"):
        bring(r, model, version, "approve_staging")
    requests = [r.open(model, version, "deploy_staging") for version in ("1.0.0", "2.0.0")]
    gathered = [(request, evidence_of(r, request)) for request in requests]
    target = Meeting(r)
    answers = at_once(
        [
            partial(settling.settle, r.unit(), r.call(None), target, request.id, evidence)
            for request, evidence in gathered
        ]
    )
    assert [a.status for a in answers if isinstance(a, Settlement)] == [RequestStatus.APPLIED] * 2, answers
    assert sum(traffic(r, model)["staging"].values()) == 100


def test_leaving_staging_does_not_take_the_successor_along(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "1.0.0", "deploy_staging")
    bring(r, model, "2.0.0", "approve_staging")
    leave = r.open(model, "1.0.0", "request_changes", by=r.grace, reason=REASON)
    enter = r.open(model, "2.0.0", "deploy_staging")
    gathered = [(request, evidence_of(r, request)) for request in (leave, enter)]
    target = Meeting(r)
    at_once(
        [
            partial(settling.settle, r.unit(), r.call(None), target, request.id, evidence)
            for request, evidence in gathered
        ]
    )
    assert traffic(r, model) == {"staging": {"2.0.0": 100}}


# --- content ----------------------------------------------------------------------------------------------


def test_one_of_many_changes_of_the_same_revision_wins(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    with r.unit() as uow:
        revision = uow.versions.get(model, "1.0.0").revision
    answers = at_once(
        [
            partial(registry.update_metadata, r.unit(), r.call(r.dev), model, "1.0.0", {**METADATA, "n": n}, revision)
            for n in range(8)
        ]
    )
    assert kinds(answers) == {"ModelVersion": 1, RevisionMismatch.__name__: 7}


def test_one_of_many_creations_of_the_same_wins(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    answers = at_once([partial(r.model, name="the-same")] * 8)
    assert kinds(answers) == {"str": 1, Duplicate.__name__: 7}
    model = r.model()
    answers = at_once([partial(r.version, model, f"1.0.0+build.{n}", weights=None) for n in range(8)])
    assert kinds(answers) == {"str": 1, Duplicate.__name__: 7}


def test_one_of_many_uploads_under_a_name_wins_and_replacing_keeps_one(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    version = r.version(model, weights=None)
    answers = at_once([partial(r.attach, model, "1.0.0", bytes([n])) for n in range(8)])
    assert kinds(answers) == {"str": 1, Duplicate.__name__: 7}
    answers = at_once([partial(r.attach, model, "1.0.0", bytes([n]), replace=True) for n in range(8)])
    assert kinds(answers) == {"str": 8}
    assert query(r, "select count(*) from artifacts where version_id = %s", version) == [(1,)]


def test_a_change_and_the_promotion_that_it_voids(shared_registry: RegistryUnderTest) -> None:
    """Either the change comes first and the promotion is refused, or the version is in production and frozen."""
    r = shared_registry
    for _ in range(3):
        model = model_with_version(r)
        bring(r, model, "1.0.0", "approve_production")
        request = r.open(model, "1.0.0", "promote_production")
        evidence = evidence_of(r, request)
        actions: list[Action] = [
            partial(r.settle, request, evidence),
            partial(r.attach, model, "1.0.0", b"other weights", replace=True),
        ]
        settled, changed = at_once(actions)
        assert isinstance(settled, Settlement)
        if settled.kind == "changed":
            assert not isinstance(changed, Exception)
            assert carry_out(r, request).status is RequestStatus.DENIED
            with pytest.raises(ApprovalInvalidated):
                r.open(model, "1.0.0", "promote_production")
        else:
            assert type(changed).__name__ == "VersionFrozen"
            assert r.state(model, "1.0.0") == "production"


def test_of_changes_of_one_policy_proposed_at_once_one_waits(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    propose = partial(policies.change, name_or_id="completeness")
    answers = at_once(
        [partial(propose, r.unit(), r.call(r.admin), parameters={"minimum_description": 1 + n}) for n in range(6)]
    )
    made = [answer for answer in answers if isinstance(answer, policies.Proposed)]
    assert len(made) == 1, answers
    assert sum(isinstance(answer, Conflict) for answer in answers) == 5
    approvals = at_once([partial(r.confirm, str(made[0].change_id), by=who) for who in (r.grace, r.alan, r.edsger)])
    assert sum(isinstance(answer, int) for answer in approvals) == 1, approvals
    assert query(r, "select count(*) from policies where name = 'completeness' and state = 'active'") == [(1,)]
