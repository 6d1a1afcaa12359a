"""Settling: once, on unchanged facts, with every decision seen, and never stuck on a version that went elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from governance.errors import GovernanceError
from governance.evidence import Evidence
from governance.lifecycle import TransitionName
from governance.operations import registry, settling
from governance.operations.settling import Settlement
from governance.operations.transitions import decide, withdraw
from governance.ports import UnitOfWork
from governance.requests import RequestStatus
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    REASON,
    at_once,
    bring,
    carry_out,
    events,
    eventually,
    evidence_of,
    in_production,
    model_with_version,
    parked,
    query,
    results,
    step,
    stored,
    suite,
    traffic,
    waiting_for_a_lock,
)

__all__ = ["shared_registry"]


def everything_about(r: RegistryUnderTest, model: str) -> list[list[tuple[Any, ...]]]:
    """Every row that a settlement may write, of one model, and the number of audit entries."""
    return [
        query(r, "select v::text from model_versions v where model_id = %s order by id", model),
        query(r, "select q::text from transition_requests q where model_id = %s order by id", model),
        query(r, "select d::text from deployments d where model_id = %s order by 1", model),
        query(r, "select f::text from findings f where model_id = %s order by 1", model),
        query(
            r,
            """select e::text from evaluations e join model_versions v on v.id = e.version_id
               where v.model_id = %s order by 1""",
            model,
        ),
        query(r, "select count(*) from audit_outbox"),
    ]


@pytest.mark.parametrize("transition", ["submit", "evaluate", "rollback"])
def test_settling_again_answers_the_same_and_writes_nothing(
    shared_registry: RegistryUnderTest, transition: str
) -> None:
    r = shared_registry
    if transition == "rollback":
        model = in_production(r, "1.0.0", "2.0.0")
        request = r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON)
    else:
        model = model_with_version(r)
        request = r.open(model, "1.0.0", transition)
    evidence = evidence_of(r, request)
    done = results(r, request) if transition == "evaluate" else []
    first = r.settle(request, evidence, evaluations=done)
    assert first.status is RequestStatus.APPLIED
    before = everything_about(r, model)
    for other in (evidence, Evidence({}, {}), evidence_of(r, request)):
        assert r.settle(request, other, evaluations=done) == first
    assert settling.begin(r.unit(), r.call(None), request.id, new_id()).status is RequestStatus.APPLIED
    settling.park(r.unit(), r.call(None), request.id, evidence)
    assert everything_about(r, model) == before


def test_a_denial_is_final_too(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model(owners=[])
    r.version(model)
    request = r.open(model, "1.0.0", "submit")
    first = r.settle(request)
    assert first.status is RequestStatus.DENIED
    assert "owner" in first.outcome["reasons"][0]
    before = everything_about(r, model)
    assert r.settle(request) == first
    assert everything_about(r, model) == before
    r.open(model, "1.0.0", "submit")  # and a new attempt may be asked for


@pytest.mark.parametrize("change", ["metadata", "artifact", "artifact bytes unseen"])
def test_facts_that_moved_under_the_evidence_settle_nothing(shared_registry: RegistryUnderTest, change: str) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    evidence = r.evidence(request)
    if change == "metadata":
        registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {**METADATA, "extra": 1}, None)
    else:
        r.attach(model, "1.0.0", change.encode(), replace=True)
    before = everything_about(r, model)
    settlement = r.settle(request, evidence)
    assert (settlement.kind, settlement.status) == ("changed", RequestStatus.OPEN)
    assert settlement.outcome["difference"]
    assert everything_about(r, model) == before
    assert r.settle(request).status is RequestStatus.APPLIED


def test_evidence_about_another_version_settles_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    r.version(model, "2.0.0", weights=b"second")
    one, other = r.open(model, "1.0.0", "submit"), r.open(model, "2.0.0", "submit")
    assert r.settle(one, r.evidence(other)).kind == "changed"
    assert r.state(model, "1.0.0") == "draft"


def test_evidence_of_another_transition_settles_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    submit = r.open(model, "1.0.0", "submit")
    evidence = r.evidence(submit)
    other = Evidence({**evidence.subject, "transition": "retire"}, evidence.measured)
    assert r.settle(submit, other).kind == "changed"


def test_a_settlement_without_people_waits_and_writes_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    before = everything_about(r, request.model_id)
    settlement = r.settle(request)
    assert settlement.kind == "waiting"
    assert "approval" in settlement.outcome["reasons"][0]
    assert everything_about(r, request.model_id) == before


def test_what_could_not_be_judged_is_denied_not_applied(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    blind = Evidence(r.evidence(request).subject, {})  # nobody measured anything: rules raise KeyError
    settlement = r.settle(request, blind)
    assert settlement.status is RequestStatus.DENIED
    assert r.state(model, "1.0.0") == "draft"


def test_an_evaluation_keeps_its_first_results(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "evaluate")
    r.settle(request, evaluations=results(r, request, accuracy=0.5))
    with r.unit() as uow:
        (done,) = uow.evaluations.of_request(request.id)
        uow.evaluations.fail(done.id, "again", r.at)
        uow.commit()
    assert query(r, "select status from evaluations where request_id = %s", request.id) == [("completed",)]


# --- versions that went elsewhere meanwhile ---------------------------------------------------------------


def test_a_request_about_a_version_that_was_displaced_meanwhile_is_denied(shared_registry: RegistryUnderTest) -> None:
    """Its own request does not keep a version in place: another one's promotion takes it out of production."""
    r = shared_registry
    model = in_production(r, "1.0.0")
    deprecate = r.open(model, "1.0.0", "deprecate", by=r.grace, reason=REASON)
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "promote_production")
    settlement = carry_out(r, deprecate)
    assert (settlement.kind, settlement.status) == ("settled", RequestStatus.DENIED)
    assert "deprecated" in settlement.outcome["reasons"][0]
    step(r, model, "1.0.0", "retire")  # nothing stands in the way any more


def test_a_request_about_a_version_that_returned_meanwhile_is_denied(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    retire = r.open(model, "1.0.0", "retire")
    evidence = r.evidence(retire)
    step(r, model, "2.0.0", "rollback", REASON)
    assert r.settle(retire, evidence).kind == "changed"  # it serves again
    assert carry_out(r, retire).status is RequestStatus.DENIED
    assert r.state(model, "1.0.0") == "production"


def test_an_evaluation_of_a_version_that_was_retired_meanwhile_is_denied(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "evaluate")
    step(r, model, "1.0.0", "retire")
    settlement = carry_out(r, request)
    assert (settlement.kind, settlement.status) == ("settled", RequestStatus.DENIED)
    assert query(r, "select status from evaluations where request_id = %s", request.id) == [("failed",)]


def test_a_promotion_whose_incumbent_changed_meanwhile_needs_a_new_approval(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    for version in ("2.0.0", "3.0.0"):
        r.version(model, version, weights=version.encode())
        bring(r, model, version, "approve_production")
    second = r.open(model, "2.0.0", "promote_production")
    third = r.open(model, "3.0.0", "promote_production")
    evidence = evidence_of(r, third)
    assert r.settle(second, evidence_of(r, second)).status is RequestStatus.APPLIED
    assert r.settle(third, evidence).kind == "changed"
    settlement = carry_out(r, third)
    assert settlement.status is RequestStatus.DENIED
    assert any("incumbent" in reason for reason in settlement.outcome["reasons"])
    assert traffic(r, model)["production"] == {"2.0.0": 100}


# --- decisions that come while a run is on its way into suspension ----------------------------------------


class Held:
    """A unit of work that keeps its locks at the commit until it is told to go on."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit
        self.committing, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    def __enter__(self) -> Any:
        self._unit.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._unit.__exit__(*error)

    def commit(self) -> None:
        self.committing.set()
        assert self.go_on.wait(30)
        self._unit.commit()


@pytest.mark.parametrize("first", ["park", "decide"])
def test_a_decision_is_seen_by_parking_or_finds_the_request_parked(
    shared_registry: RegistryUnderTest, first: str
) -> None:
    """Both take the request's lock; whoever is second sees what the first has done, so no wake-up is lost."""
    r = shared_registry
    request = parked(r)
    evidence = evidence_of(r, request)
    settling.begin(r.unit(), r.call(None), request.id, new_id())  # a run looks again
    held: Any = Held(r.unit())

    def park(unit: UnitOfWork) -> str:
        return settling.park(unit, r.call(None), request.id, evidence)[0].outcome

    def approve(unit: UnitOfWork) -> str:
        decided = decide(
            unit, r.call(r.grace), request.id, decision="approve", comment="", evidence_digest=evidence.digest
        )
        return decided.status.value

    one, two = (park, approve) if first == "park" else (approve, park)
    with ThreadPoolExecutor(2) as threads:
        earlier = threads.submit(one, held)
        assert held.committing.wait(30)
        later = threads.submit(two, r.unit())
        eventually(lambda: waiting_for_a_lock(r) == 1)
        held.go_on.set()
        answers = earlier.result(30), later.result(30)
    if first == "park":
        assert answers == ("waiting", "awaiting_approval"), "the decision found it parked, and wakes it"
    else:
        assert answers == ("judging", "allowed"), "parking saw the decision, and the run goes on"
    assert r.settle(request).status is RequestStatus.APPLIED


def test_deciding_and_parking_race_without_losing_anything(shared_registry: RegistryUnderTest) -> None:
    """Whatever the order: afterwards either parking went on, or the request is parked with the decision in it."""
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    evidence = evidence_of(r, request)

    def by(person: Any) -> Any:
        return lambda: decide(
            r.unit(), r.call(person), request.id, decision="approve", comment="", evidence_digest=evidence.digest
        )

    for _ in range(5):
        answers = at_once(
            [
                lambda: settling.park(r.unit(), r.call(None), request.id, evidence)[0].outcome,
                by(r.grace),
                by(r.alan),
                lambda: settling.park(r.unit(), r.call(None), request.id, evidence)[0].outcome,
            ]
        )
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        assert set(answers[::3]) <= {"waiting", "allowed"}
        with r.unit() as uow:
            assert len(uow.approvals.of_request(request.id)) == 2
    assert settling.park(r.unit(), r.call(None), request.id, evidence)[0].outcome == "allowed"


def test_many_settle_at_once_and_it_happens_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    request = r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON)
    evidence = evidence_of(r, request)
    answers = at_once([lambda: r.settle(request, evidence)] * 8)
    assert isinstance(answers[0], Settlement)
    assert answers == [answers[0]] * 8
    actions = [event.action for event in events(r, request.id)]
    assert actions.count("request:applied") == 1
    assert query(r, "select count(*) from findings where model_id = %s", model) == [(1,)]


def test_settling_and_withdrawing_at_once_have_one_outcome(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    for _ in range(5):
        model = r.model()
        r.version(model, weights=b"first weights")
        request = r.open(model, "1.0.0", "submit")
        evidence = r.evidence(request)
        settle: Callable[[], object] = partial(r.settle, request, evidence)
        take_back: Callable[[], object] = partial(withdraw, r.unit(), r.call(r.dev), request.id, "")
        settled, withdrawn = at_once([settle, take_back])
        status = stored(r, request).status
        assert not isinstance(settled, Exception)
        if status is RequestStatus.APPLIED:
            assert isinstance(withdrawn, GovernanceError)
            assert r.state(model, "1.0.0") == "submitted"
        else:
            assert status is RequestStatus.WITHDRAWN
            assert r.state(model, "1.0.0") == "draft"


def test_beginning_marks_the_run_and_its_evaluations(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    suite(r, model, "second")
    request = r.open(model, "1.0.0", "evaluate")
    run = new_id()
    settling.begin(r.unit(), r.call(None), request.id, run)
    assert (stored(r, request).status, stored(r, request).flow_run_id) == (RequestStatus.JUDGING, run)
    assert query(r, "select distinct status from evaluations where request_id = %s", request.id) == [("running",)]
    assert stored(r, request).transition is TransitionName.EVALUATE
