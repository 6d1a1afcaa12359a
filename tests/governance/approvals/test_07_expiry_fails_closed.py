"""7. Expiry with a reminder and an escalation, then refusal; nothing is ever approved by silence."""

from __future__ import annotations

import pytest

from governance.errors import RequestClosed
from governance.operations import groups
from governance.operations.tending import Tended
from governance.policies.decided_in_time import DecidedInTime
from governance.requests import RequestStatus
from tests.fixtures.registry import APPROVER, RegistryUnderTest
from tests.governance.approvals.clock import approved_by, pass_time, told
from tests.governance.operations.situations import at_once, events, evidence_of, parked, query, stored


def actions(r: RegistryUnderTest, request_id: str) -> list[str]:
    wanted = {"request:reminded", "request:escalated", "request:expired"}
    return [event.action for event in events(r, request_id) if event.action in wanted]


def notices(r: RegistryUnderTest, request_id: str) -> dict[str, list[str]]:
    rows = query(r, "select kind, data from request_notices where request_id = %s", request_id)
    return {kind: data.get("to", []) for kind, data in rows}


def test_reminded_escalated_expired_each_once(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    happened: dict[int, Tended] = {}
    for hour in range(0, 15 * 24 + 1, 12):
        done = pass_time(r)
        if done != Tended():
            happened[hour // 24] = done
        assert pass_time(r) == Tended(), "once is enough"
        r.later(hours=12)
    only = (request.id,)
    assert happened == {
        2: Tended(reminded=only),
        5: Tended(escalated=only),
        14: Tended(expired=only, ended=only),
    }
    assert actions(r, request.id) == ["request:reminded", "request:escalated", "request:expired"]
    after = stored(r, request)
    assert after.status is RequestStatus.DENIED
    assert (after.outcome or {})["name"] == "Expired"
    assert "It was not decided by 2026-03-16" in str((after.outcome or {})["reasons"])
    assert r.state(request.model_id, "1.0.0") == "staging"
    assert [kind.rpartition(".")[2] for kind in told(r, request.id)] == [
        "opened", "awaiting", "reminded", "escalated", "expired", "settled",
    ]  # fmt: skip


def test_who_is_told(registry_under_test: RegistryUnderTest) -> None:
    """Reminders go to those who can decide and have not; the escalation to those who stand above the model's group."""
    r = registry_under_test
    r.groups("bank")
    with r.unit() as uow:
        lab = uow.groups.named("lab")
    assert lab is not None
    groups.change_group(r.unit(), r.call(r.admin), lab.id, groups.NewGroup("lab", parent="bank"))
    r.person("bertha", APPROVER, "bank")
    request = parked(r, risk_tier="Medium")
    approved_by(r, request, r.grace)
    r.later(days=5)
    assert pass_time(r) == Tended(reminded=(request.id,), escalated=(request.id,))
    assert notices(r, request.id) == {"reminded": ["alan", "bertha", "edsger", "root"], "escalated": ["bertha"]}


def test_a_late_decision_is_refused(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    r.later(days=14)
    assert pass_time(r).expired == (request.id,)
    with pytest.raises(RequestClosed):
        approved_by(r, request, r.grace)
    assert r.settle(request).status is RequestStatus.DENIED


def test_even_with_every_approval_and_nobody_tending_it_fails_closed(registry_under_test: RegistryUnderTest) -> None:
    """The deadline is a gate, so the settlement itself refuses what comes too late."""
    r = registry_under_test
    request = parked(r)
    approved_by(r, request, r.grace)
    r.later(days=14)
    settled = r.settle(request)
    assert (settled.status, settled.outcome["name"]) == (RequestStatus.DENIED, "Expired")
    assert pass_time(r).expired == ()


def test_what_is_decided_in_time_is_not_touched(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    r.later(days=13, hours=23)
    approved_by(r, request, r.grace)
    assert r.settle(request).status is RequestStatus.APPLIED
    r.later(days=30)
    done = pass_time(r)
    assert (done.reminded, done.escalated, done.expired) == ((), (), ())


def test_two_reconcilers_at_once(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    for days, kind in ((2, "reminded"), (3, "escalated"), (9, "expired")):
        r.later(days=days)
        done = at_once([lambda: pass_time(r)] * 4)
        assert sorted(getattr(one, kind) for one in done) == [(), (), (), (request.id,)]
    assert actions(r, request.id) == ["request:reminded", "request:escalated", "request:expired"]


def test_the_orchestrator_is_not_needed(registry_under_test: RegistryUnderTest) -> None:
    """The request is refused all the same; its run is told of it when the orchestrator is back."""
    r = registry_under_test
    request = parked(r)
    run = r.launcher.launch(request.id, request.transition, 1, "approve")
    with r.unit() as uow:
        uow.requests.launched(request.id, run, 1, r.at)
        uow.commit()
    r.launcher.states[run] = "PAUSED"
    r.later(days=14)
    r.launcher.available = False
    assert pass_time(r) == Tended(expired=(request.id,))
    assert stored(r, request).status is RequestStatus.DENIED
    r.launcher.available = True
    assert pass_time(r) == Tended(ended=(request.id,))
    assert r.launcher.woken == [run]
    assert pass_time(r) == Tended()


def test_the_days_are_parameters_by_risk_tier(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    days = DecidedInTime().parameters() | {"expire_days": {"Low": 14, "Medium": 14, "High": 3}}
    r.publish("decided-in-time", days)
    low, high = parked(r), parked(r, risk_tier="High")
    r.later(days=3)
    done = pass_time(r)
    assert (done.expired, done.reminded) == ((high.id,), (low.id,))


def test_many_wait_and_all_are_looked_at(registry_under_test: RegistryUnderTest) -> None:
    from governance.operations.tending import tend

    r = registry_under_test
    waiting = {parked(r).id for _ in range(5)}
    r.later(days=14)
    assert set(tend(r.unit, r.launcher, r.call(None), limit=2).expired) == waiting


def test_an_expired_case_can_be_judged_again(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    evidence = evidence_of(r, request)
    r.later(days=14)
    pass_time(r)
    ((judged, verdicts),) = query(r, "select judged_case, verdicts from transition_requests where id = %s", request.id)
    assert judged["asOf"].startswith("2026-03-16T12:00")
    assert [one["policy"] for one in verdicts if one["outcome"] == "failed"] == ["decided-in-time"]
    assert stored(r, request).evidence_digest == evidence.digest
