"""10. Break-glass takes a version out of production at once, and never puts one in."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from governance.errors import BreakGlassRefused, ConflictOfInterest, Forbidden, InvalidInput
from governance.operations.findings import close_finding
from governance.operations.transitions import OpenRequest, open_request
from governance.policies.wait_timer import WaitTimer
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.clock import freeze, pass_time
from tests.governance.operations.situations import WAY, bring, events, in_production, model_with_version, query, stored

WHY = "It denies every loan since this morning."


def break_glass(
    r: RegistryUnderTest, model: str, version: str, transition: str, *, reason: str = WHY, by: object = None
) -> TransitionRequest:
    command = OpenRequest(model, version, transition, reason, break_glass=True)
    return open_request(r.unit(), r.call(by or r.grace), command)  # type: ignore[arg-type]


def findings(r: RegistryUnderTest, model: str) -> list[tuple[str, str, str | None, datetime, list[str]]]:
    rows = query(
        r,
        """select f.kind, f.severity, u.name, f.due_at, f.blocks from findings f
           left join users u on u.id = f.owner_id where f.model_id = %s order by f.id""",
        model,
    )
    return [(kind, severity, owner, due, blocks) for kind, severity, owner, due, blocks in rows]


@pytest.mark.parametrize("transition", [*WAY, "request_changes", "retire"])
def test_nothing_else_can_be_done_like_that(registry_under_test: RegistryUnderTest, transition: str) -> None:
    r = registry_under_test
    model = model_with_version(r)
    by = r.admin  # whoever asks
    with pytest.raises(BreakGlassRefused):
        break_glass(r, model, "1.0.0", transition, by=by)
    assert query(r, "select 1 from transition_requests where break_glass") == []


@pytest.mark.parametrize("reason", ["", "Now.", "          now          now    "])
def test_it_needs_a_reason(registry_under_test: RegistryUnderTest, reason: str) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    with pytest.raises(InvalidInput, match="20 characters"):
        break_glass(r, model, "1.0.0", "deprecate", reason=reason)


def test_it_needs_the_permission_of_the_transition(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    with pytest.raises(Forbidden):
        break_glass(r, model, "1.0.0", "deprecate", by=r.dev)


@pytest.mark.parametrize("transition", ["rollback", "deprecate"])
def test_it_passes_over_freezes_and_waits(registry_under_test: RegistryUnderTest, transition: str) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0", "2.0.0")
    waits = {"minutes": {"Low": 60, "Medium": 60, "High": 60}}
    r.publish(WaitTimer.name, waits)
    freeze(r)
    plain = r.open(model, "2.0.0", transition, by=r.grace, reason=WHY)
    assert r.settle(plain).kind == "waiting", "without it, it waits"
    r.later(hours=2)
    assert r.settle(plain).kind == "waiting", "the freeze is longer than the wait"

    request = break_glass(r, model, "2.0.0", transition)
    assert stored(r, plain).status is RequestStatus.WITHDRAWN, "what waited makes way"
    assert pass_time(r).ended == (plain.id,)
    assert pass_time(r).ended == ()
    settled = r.settle(request)
    assert settled.status is RequestStatus.APPLIED
    told = {event.action for event in events(r, request.id)}
    assert "request:break-glass" in told
    opened = [one for one in findings(r, model) if one[0] == "break_glass"]
    assert opened == [("break_glass", "high", "grace", r.at + timedelta(days=3), [])]


def test_gates_of_integrity_are_not_passed_over(registry_under_test: RegistryUnderTest) -> None:
    """What returns has to be whole, however great the hurry."""
    r = registry_under_test
    model = in_production(r, "1.0.0", "2.0.0")
    request = break_glass(r, model, "2.0.0", "rollback")
    evidence = r.evidence(request)
    spoilt = [{**item, "storedSha256": "0" * 64} for item in evidence.measured["artifacts"]]
    settled = r.settle(request, type(evidence)(evidence.subject, {**evidence.measured, "artifacts": spoilt}))
    assert settled.status is RequestStatus.DENIED


def test_nothing_to_go_back_to_stays_a_refusal(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    assert r.settle(break_glass(r, model, "1.0.0", "rollback")).status is RequestStatus.DENIED


def test_somebody_else_has_to_accept_that_it_was_used(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    r.settle(break_glass(r, model, "1.0.0", "deprecate"))
    ((finding,),) = query(r, "select id::text from findings where model_id = %s and kind = 'break_glass'", model)
    for kind in ("accepted", "false_positive", "fixed"):
        with pytest.raises(ConflictOfInterest):
            close_finding(r.unit(), r.call(r.grace), finding, kind=kind, resolution="It was all right like that.")
    close_finding(r.unit(), r.call(r.alan), finding, kind="accepted", resolution="It was all right like that.")


def test_what_was_asked_never_changes(registry_under_test: RegistryUnderTest) -> None:
    """Not even by whoever has the database's password: a plain rollback does not become a break-glass."""
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "submit")
    request = r.open(model, "1.0.0", "evaluate")
    with pytest.raises(Exception, match="what was asked never changes"):
        query(r, "update transition_requests set break_glass = true where id = %s", request.id)
