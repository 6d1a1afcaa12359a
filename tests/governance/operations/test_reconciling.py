"""Requests that nobody works on are found and started; those that somebody works on are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from governance.errors import DependencyUnavailable, RequestClosed
from governance.operations import registry, settling
from governance.operations.launching import Reconciled, launch, reconcile, relaunch, wake
from governance.operations.transitions import decide, withdraw
from governance.requests import TransitionRequest
from storage.composition import new_id
from storage.leases import working_on
from tests.fixtures.registry import METADATA, VALIDATOR, RegistryUnderTest
from tests.governance.operations.situations import events, evidence_of, model_with_version, parked, query, stored

MINUTE = timedelta(minutes=1)
NOTHING = Reconciled((), (), (), ())


def look(r: RegistryUnderTest, *, limit: int = 200) -> Reconciled:
    return reconcile(r.unit, r.launcher, r.call(None), orphan_after=MINUTE, limit=limit)


def opened(r: RegistryUnderTest) -> TransitionRequest:
    model = r.model()
    r.version(model)
    return r.open(model, "1.0.0", "submit")


def running(r: RegistryUnderTest, state: str | None, request: TransitionRequest | None = None) -> TransitionRequest:
    """A request whose run the orchestrator says to be in `state`, untouched for two minutes."""
    request = request or opened(r)
    run = launch(r.unit, r.launcher, r.call(None), request)
    settling.begin(r.unit(), r.call(None), request.id, run)
    r.launcher.states[run] = state
    r.later(minutes=2)
    return stored(r, request)


def waiting_for_people(r: RegistryUnderTest, *, risk_tier: str = "Low") -> TransitionRequest:
    request = running(r, "PAUSED", parked(r, risk_tier=risk_tier))
    settling.park(r.unit(), r.call(None), request.id, evidence_of(r, request))
    r.later(minutes=2)
    return stored(r, request)


@contextmanager
def orchestrator_down(r: RegistryUnderTest) -> Iterator[None]:
    r.launcher.available = False
    yield
    r.launcher.available = True


def test_what_was_recorded_but_never_started(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = opened(r)
    assert look(r) == NOTHING, "the API may be about to start it"
    r.later(minutes=1)
    assert look(r) == Reconciled((request.id,), (), (), ())
    assert [(found[0], found[1], found[2]) for found in r.launcher.launched] == [(request.id, "submit", 1)]
    assert stored(r, request).flow_run_id == r.launcher.launched[0][3]
    assert stored(r, request).attempt == 1
    r.later(minutes=2)
    assert look(r) == NOTHING


def test_launching_again_is_the_same_run(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = opened(r)
    runs = {launch(r.unit, r.launcher, r.call(None), request) for _ in range(3)}
    assert len(runs) == 1
    assert len(r.launcher.launched) == 1


@pytest.mark.parametrize("state", ["CRASHED", "FAILED", "COMPLETED", None])
def test_a_lost_run_is_replaced_by_its_next_attempt(registry_under_test: RegistryUnderTest, state: str | None) -> None:
    r = registry_under_test
    request = running(r, state)
    assert look(r) == Reconciled((), (request.id,), (), ())
    after = stored(r, request)
    assert after.attempt == 2
    assert after.flow_run_id not in (None, request.flow_run_id)
    assert after.status == "open"
    entry = [event for event in events(r, request.id) if event.action == "request:relaunched"]
    assert len(entry) == 1
    assert (entry[0].before["attempt"], entry[0].after["attempt"]) == (1, 2)
    assert look(r) == NOTHING


def test_what_keeps_failing_gets_a_little_longer_each_time(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = opened(r)
    waits = []
    for _ in range(8):
        request = running(r, "FAILED", request)
        minutes = 2
        while look(r) == NOTHING:
            r.later(minutes=1)
            minutes += 1
        waits.append(minutes)
        request = stored(r, request)
    assert waits == [2, 2, 4, 8, 16, 32, 64, 64]


def test_a_run_that_a_person_cancelled_stays_cancelled(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = running(r, "CANCELLED")
    assert look(r) == NOTHING
    relaunch(r.unit, r.launcher, r.call(r.dev), request.id, "dana asked for it")
    assert stored(r, request).attempt == 2


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "CANCELLING"])
def test_only_a_lease_proves_that_somebody_works(registry_under_test: RegistryUnderTest, state: str) -> None:
    r = registry_under_test
    request = running(r, state)
    with working_on(r.platform.engine, request.id):
        assert look(r) == NOTHING
        with working_on(r.platform.engine, request.id):  # a second run of it, by a slow cancel
            pass
        assert look(r) == NOTHING
    assert look(r) == Reconciled((), (request.id,), (), ())


def test_a_lease_goes_with_its_connection(registry_under_test: RegistryUnderTest) -> None:
    """The machine of the flow is lost: nobody releases anything, PostgreSQL notices."""
    r = registry_under_test
    request = running(r, "RUNNING")
    with pytest.raises(Exception, match=r"terminat|closed"), working_on(r.platform.engine, request.id):
        query(
            r, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
        )
    assert look(r) == Reconciled((), (request.id,), (), ())


def test_leases_of_other_requests_prove_nothing(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    one, other = running(r, "RUNNING"), running(r, "RUNNING")
    with working_on(r.platform.engine, other.id):
        assert look(r) == Reconciled((), (one.id,), (), ())


def test_a_scheduled_run_is_left_to_the_orchestrator(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    running(r, "SCHEDULED")
    assert look(r) == NOTHING


# --- waiting for people -----------------------------------------------------------------------------------


def test_a_parked_request_waits(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    waiting_for_people(r)
    assert look(r) == NOTHING


def test_a_decision_whose_wake_up_was_lost(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = waiting_for_people(r, risk_tier="Medium")
    for person, expected in ((r.grace, NOTHING), (r.alan, Reconciled((), (), (request.id,), ()))):
        decide(
            r.unit(),
            r.call(person),
            request.id,
            decision="approve",
            comment="",
            evidence_digest=request.evidence_digest or "",
        )
        assert look(r) == expected
    assert r.launcher.woken == [request.flow_run_id]


def test_evidence_that_is_out_of_date_wakes_too(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = waiting_for_people(r)
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "n": 1}, None)
    assert look(r) == Reconciled((), (), (request.id,), ())


def test_a_quorum_that_a_change_of_groups_completes(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = waiting_for_people(r, risk_tier="High")
    third = r.person("barbara", VALIDATOR, "risk")
    for person in (r.grace, r.alan, third):
        decide(
            r.unit(),
            r.call(person),
            request.id,
            decision="approve",
            comment="",
            evidence_digest=request.evidence_digest or "",
        )
    assert look(r) == NOTHING
    r.change(third.id, roles=["validator"], in_groups=["clinical"], active=True)
    assert look(r) == Reconciled((), (), (request.id,), ())


def test_one_that_needs_help_is_found_behind_many_that_wait(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    for _ in range(5):
        running(r, "CANCELLED")
    crashed = running(r, "CRASHED")
    assert look(r, limit=2) == Reconciled((), (crashed.id,), (), ())


# --- the orchestrator is down -----------------------------------------------------------------------------


def test_an_orchestrator_that_is_down(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    fresh, lost = opened(r), running(r, "CRASHED")
    with orchestrator_down(r):
        found = look(r)
        assert set(found.unreachable) == {fresh.id, lost.id}
        assert (found.launched, found.relaunched, found.woken) == ((), (), ())
    assert stored(r, fresh) == fresh
    assert stored(r, lost) == lost
    found = look(r)
    assert (found.launched, found.relaunched) == ((fresh.id,), (lost.id,))


def test_going_down_between_recording_and_launching_an_attempt(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = running(r, "CRASHED")
    with orchestrator_down(r), pytest.raises(DependencyUnavailable):
        relaunch(r.unit, r.launcher, r.call(None), request.id, "a test")
    assert (stored(r, request).attempt, stored(r, request).flow_run_id) == (2, None)
    r.later(minutes=2)
    assert look(r) == Reconciled((request.id,), (), (), ())
    assert stored(r, request).attempt == 2


# --- waking and starting again ----------------------------------------------------------------------------


def test_waking(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = waiting_for_people(r)
    assert wake(r.unit, r.launcher, r.call(None), request) == "waiting"
    decide(
        r.unit(),
        r.call(r.grace),
        request.id,
        decision="approve",
        comment="",
        evidence_digest=request.evidence_digest or "",
    )
    assert wake(r.unit, r.launcher, r.call(None), request) == "woken"
    assert wake(r.unit, r.launcher, r.call(None), request) == "busy", "it is on its way"
    assert r.launcher.woken == [request.flow_run_id]
    for gone in ("CRASHED", "CANCELLED", None):
        r.launcher.states[str(stored(r, request).flow_run_id)] = gone
        assert wake(r.unit, r.launcher, r.call(None), stored(r, request)) == "relaunched"


def test_a_settled_request_is_not_started_again(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = running(r, "RUNNING")
    withdrawn = withdraw(r.unit(), r.call(r.dev), request.id, "")
    assert withdrawn.id == request.id
    with pytest.raises(RequestClosed):
        relaunch(r.unit, r.launcher, r.call(r.dev), request.id, "no")
    assert look(r) == NOTHING
    assert stored(r, request).attempt == 1


def test_a_late_launch_does_not_overwrite_the_next_attempt(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = opened(r)
    second = relaunch(r.unit, r.launcher, r.call(None), request.id, "a test")
    with r.unit() as uow:
        uow.requests.launched(request.id, new_id(), 1, r.at)  # the answer to the first attempt comes last
        uow.commit()
    assert stored(r, request).flow_run_id == second


def test_a_run_is_named_for_people(registry_under_test: RegistryUnderTest) -> None:
    class Titles:
        def launch(self, request_id: str, transition: object, attempt: int, title: str) -> str:
            self.title = title
            return new_id()

    r, titles = registry_under_test, Titles()
    model = model_with_version(r)
    launch(r.unit, titles, r.call(None), r.open(model, "1.0.0", "evaluate"))  # type: ignore[arg-type]
    (name,) = query(r, "select name from models where id = %s", model)[0]
    assert titles.title == f"evaluate: {name} 1.0.0"
