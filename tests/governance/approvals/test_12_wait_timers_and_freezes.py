"""12. Wait timers and freeze windows, by the clock on the wall and in the words of who reads it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import Forbidden, InvalidInput, NotFound
from governance.freezes import FreezeWindow, Weekly, in_force
from governance.lifecycle import TransitionName
from governance.operations import groups, people
from governance.operations.freezes import NewFreeze, declare_freeze, lift_freeze
from governance.operations.transitions import decide
from governance.policies.wait_timer import WaitTimer
from governance.requests import RequestStatus
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.clock import approved_by, freeze, look
from tests.governance.operations.situations import (
    REASON,
    bring,
    events,
    in_production,
    model_with_version,
    parked,
    stored,
)

FRIDAY_EVENING = Weekly(frozenset({4}), time(18), time(8), "Europe/Berlin")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(days: str, start: str, end: str, zone: str, **more: object) -> FreezeWindow:
    rhythm = Weekly(frozenset(map(int, days)), time.fromisoformat(start), time.fromisoformat(end), zone)
    return FreezeWindow("w", "weekly", "A test.", None, None, rhythm, **more)  # type: ignore[arg-type]


# --- wait timers ------------------------------------------------------------------------------------------


def waits(r: RegistryUnderTest, **minutes: int) -> None:
    wanted = {"minutes": {"Low": 0, "Medium": 0, "High": 0} | minutes}
    r.publish(WaitTimer.name, wanted)


def test_an_approval_takes_effect_after_the_wait(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    waits(r, Low=30)
    r.approve(request)  # the policy changed, so the evidence is frozen anew
    r.later(minutes=45)
    assert r.settle(request).kind == "waiting", "the wait begins with the approval"
    approved_by(r, request, r.grace)
    assert r.settle(request).kind == "waiting"
    r.later(minutes=29)
    assert r.settle(request).kind == "waiting"
    r.later(minutes=1)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_further_approval_starts_the_wait_anew(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    waits(r, Low=30)
    r.approve(request)  # the policy changed, so the evidence is frozen anew
    approved_by(r, request, r.grace)
    r.later(minutes=20)
    approved_by(r, request, r.alan)
    r.later(minutes=20)
    assert r.settle(request).kind == "waiting"
    r.later(minutes=10)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_where_nobody_approves_it_counts_from_the_opening(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    waits(r, Low=10, High=99)
    request = r.open(model, "1.0.0", "deprecate", by=r.grace, reason=REASON)
    assert r.settle(request).kind == "waiting"
    r.later(minutes=10)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_wait_is_a_number_of_minutes(registry_under_test: RegistryUnderTest) -> None:
    with pytest.raises(InvalidInput):
        waits(registry_under_test, Low=-1)


def test_asking_for_changes_waits_for_nothing(registry_under_test: RegistryUnderTest) -> None:
    """A wait and a freeze hold back what goes on, not what goes back."""
    r = registry_under_test
    request = parked(r)
    waits(r, Low=30)
    freeze(r, transitions=["approve_production"])
    r.approve(request)
    digest = stored(r, request).evidence_digest or ""
    decide(r.unit(), r.call(r.grace), request.id, decision="request_changes", comment="Measure fairness.",
           evidence_digest=digest)  # fmt: skip
    settled = r.settle(request)
    assert (settled.status, settled.outcome["name"]) == (RequestStatus.DENIED, "ChangesRequested")
    assert settled.outcome["followUp"]


def test_the_reconciler_wakes_it_when_the_wait_is_over(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    waits(r, Low=30)
    r.approve(request)
    run = r.launcher.launch(request.id, request.transition, 1, "approve")
    with r.unit() as uow:
        uow.requests.launched(request.id, run, 1, r.at)
        uow.commit()
    r.launcher.states[run] = "PAUSED"
    approved_by(r, request, r.grace)
    r.later(minutes=15)
    assert look(r).woken == ()
    r.later(minutes=15)
    assert look(r).woken == (request.id,)


# --- what a window covers ---------------------------------------------------------------------------------


def test_the_scope() -> None:
    at = moment("2026-03-02T12:00")
    always = {"starts_at": at, "ends_at": at + timedelta(hours=1)}
    promote, approve = TransitionName.PROMOTE_PRODUCTION, TransitionName.APPROVE_PRODUCTION

    def covers(transition: TransitionName, group: set[str], tier: str, **scope: tuple[str, ...]) -> bool:
        window = FreezeWindow("w", "n", "r", **always, **scope)  # type: ignore[arg-type]
        return bool(in_force([window], transition, group, tier, at))

    assert covers(promote, {"retail"}, "Low")
    assert not covers(approve, {"retail"}, "Low"), "thinking goes on unless it is named"
    assert covers(approve, {"retail"}, "Low", transitions=("approve_production",))
    assert covers(promote, {"retail", "bank"}, "Low", groups=("bank",)), "groups cover those below them"
    assert not covers(promote, {"retail"}, "Low", groups=("bank",))
    assert covers(promote, {"retail"}, "High", risk_tiers=("High",))
    assert not covers(promote, {"retail"}, "Low", risk_tiers=("High",))


def test_a_window_once() -> None:
    window = FreezeWindow("w", "n", "r", moment("2026-03-02T12:00"), moment("2026-03-02T18:00"))
    assert window.until(moment("2026-03-02T11:59:59")) is None
    assert window.until(moment("2026-03-02T12:00")) == moment("2026-03-02T18:00")
    assert window.until(moment("2026-03-02T18:00")) is None


# --- weeks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "at", "until"),
    [
        # Friday 18:00 to Saturday 08:00 in Berlin, in winter (UTC+1) and in summer (UTC+2).
        (weekly("4", "18:00", "08:00", "Europe/Berlin"), "2026-01-16T16:59", None),
        (weekly("4", "18:00", "08:00", "Europe/Berlin"), "2026-01-16T17:00", "2026-01-17T07:00"),
        (weekly("4", "18:00", "08:00", "Europe/Berlin"), "2026-07-17T15:59", None),
        (weekly("4", "18:00", "08:00", "Europe/Berlin"), "2026-07-17T16:00", "2026-07-18T06:00"),
        # The night in which the clock goes forward (29 March 2026): one hour shorter.
        (weekly("5", "20:00", "08:00", "Europe/Berlin"), "2026-03-28T19:00", "2026-03-29T06:00"),
        # ... and back (25 October 2026): one hour longer.
        (weekly("5", "20:00", "08:00", "Europe/Berlin"), "2026-10-24T18:00", "2026-10-25T07:00"),
        # 02:30 happens twice that night: from the first to the second.
        (weekly("6", "02:30", "04:00", "Europe/Berlin"), "2026-10-25T00:30", "2026-10-25T03:00"),
        (weekly("5", "22:00", "02:30", "Europe/Berlin"), "2026-10-25T01:29", "2026-10-25T01:30"),
        # 02:30 does not happen in the other one: the reading that freezes longer.
        (weekly("6", "02:30", "04:00", "Europe/Berlin"), "2026-03-29T00:30", "2026-03-29T02:00"),
        # New York changes on other days: 8 March 2026.
        (weekly("6", "00:00", "06:00", "America/New_York"), "2026-03-08T05:00", "2026-03-08T10:00"),
        # Saturday and Sunday, whole days, are one freeze.
        (weekly("56", "00:00", "00:00", "UTC"), "2026-01-17T09:00", "2026-01-19T00:00"),
        # Half an hour beside whole hours, and a day beside UTC.
        (weekly("0", "00:00", "01:00", "Asia/Kolkata"), "2026-01-18T18:30", "2026-01-18T19:30"),
        (weekly("0", "00:00", "01:00", "Pacific/Kiritimati"), "2026-01-18T10:30", "2026-01-18T11:00"),
    ],
)
def test_a_window_every_week(window: FreezeWindow, at: str, until: str | None) -> None:
    assert window.until(moment(at)) == (moment(until) if until else None)


@settings(max_examples=200, deadline=None)
@given(
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_what_is_in_force_ends_later_and_is_over_then(
    days: frozenset[int], start: time, end: time, zone: str, at: datetime
) -> None:
    window = FreezeWindow("w", "n", "r", None, None, Weekly(days, start, end, zone))
    until = window.until(at)
    if until is not None:
        assert at < until <= at + timedelta(days=16)
        assert window.until(until - timedelta(microseconds=1)) is not None
        if until < at + timedelta(days=13):
            assert window.until(until) is None


def test_bounds_of_a_weekly_window() -> None:
    rhythm = Weekly(frozenset(range(7)), time(0), time(0), "UTC")
    window = FreezeWindow("w", "n", "r", moment("2026-12-20T00:00"), moment("2027-01-04T06:00"), rhythm)
    assert window.until(moment("2026-12-19T23:59")) is None
    assert window.until(moment("2026-12-28T00:00")) == moment("2027-01-04T06:00")
    assert window.until(moment("2027-01-04T06:00")) is None


# --- declaring and lifting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"starts_at": moment("2027-01-01T00:00")},
        {"starts_at": moment("2027-01-02T00:00"), "ends_at": moment("2027-01-01T00:00")},
        {"starts_at": moment("2025-01-01T00:00"), "ends_at": moment("2025-01-02T00:00")},
        {"starts_at": datetime(2027, 1, 1), "ends_at": datetime(2027, 1, 2)},  # noqa: DTZ001
        {"weekly": Weekly(frozenset({0}), time(0), time(1), "Berlin")},
        {"weekly": Weekly(frozenset(), time(0), time(1), "UTC")},
        {"weekly": Weekly(frozenset({7}), time(0), time(1), "UTC")},
        {"weekly": FRIDAY_EVENING, "transitions": ["evaluate"]},
        {"weekly": FRIDAY_EVENING, "transitions": ["nonsense"]},
        {"weekly": FRIDAY_EVENING, "risk_tiers": ["Extreme"]},
        {"weekly": FRIDAY_EVENING, "groups": ["nobody knows it"]},
        {"weekly": FRIDAY_EVENING, "name": " "},
        {"weekly": FRIDAY_EVENING, "reason": ""},
    ],
)
def test_what_means_nothing_is_refused(registry_under_test: RegistryUnderTest, wrong: dict[str, object]) -> None:
    r = registry_under_test
    new = NewFreeze(**{"name": "n", "reason": "r", **wrong})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        declare_freeze(r.unit(), r.call(r.admin), new)
    assert events(r)[-1].action != "freeze:declared"


def test_only_administrators_freeze(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    window = freeze(r)
    for person in (r.dev, r.grace):
        with pytest.raises(Forbidden):
            declare_freeze(r.unit(), r.call(person), NewFreeze("n", "r", weekly=FRIDAY_EVENING))
        with pytest.raises(Forbidden):
            lift_freeze(r.unit(), r.call(person), window)


def test_a_lifted_freeze_holds_nothing_and_is_kept(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging")
    window = freeze(r)
    request = r.open(model, "1.0.0", "deploy_staging")
    assert r.settle(request).kind == "waiting"
    lift_freeze(r.unit(), r.call(r.admin), window)
    assert r.settle(request).status is RequestStatus.APPLIED
    with pytest.raises(NotFound):
        lift_freeze(r.unit(), r.call(r.admin), window)
    assert [event.action for event in events(r, window)] == ["freeze:declared", "freeze:lifted"]


def test_a_freeze_of_a_group_holds_the_groups_below(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    r.groups("bank")
    with r.unit() as uow:
        lab = uow.groups.named("lab")
    assert lab is not None
    groups.change_group(r.unit(), r.call(r.admin), lab.id, groups.NewGroup("lab", parent="bank"))
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging")
    freeze(r, groups=["bank"])
    assert r.settle(r.open(model, "1.0.0", "deploy_staging")).kind == "waiting"


def test_the_end_is_told_in_the_zone_of_who_asked(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    people.set_time_zone(r.unit(), r.call(r.dev), "Asia/Kolkata")
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging")
    freeze(r, hours=6)
    request = r.open(model, "1.0.0", "deploy_staging")
    (reason,) = r.settle(request).outcome["reasons"]
    assert "until 2026-03-02 18:00 UTC (2026-03-02 23:30 in Asia/Kolkata)" in reason
    assert "“year end” (The books are closed.)" in reason
    assert stored(r, request).undecided


@pytest.mark.parametrize("name", ["", "Berlin", "CEST", "+02:00", "../etc/passwd", "europe/berlin", "x" * 5000])
def test_a_time_zone_is_one_of_the_database(registry_under_test: RegistryUnderTest, name: str) -> None:
    r = registry_under_test
    with pytest.raises(InvalidInput):
        people.set_time_zone(r.unit(), r.call(r.dev), name)
