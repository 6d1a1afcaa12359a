"""A circuit breaker opens, waits, lets one through, and believes only the caller of the present state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from governance.breakers import Breaker, BreakerRules, BreakerState, Outcome

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES = BreakerRules(failures=3, cooldown=timedelta(seconds=60), probe=timedelta(seconds=600))


def after(breaker: Breaker, *outcomes: Outcome, at: datetime = NOON) -> Breaker:
    for outcome in outcomes:
        breaker, admitted = breaker.admit(RULES, at)
        assert admitted
        breaker = breaker.after(outcome, breaker.generation, RULES, at)
    return breaker


DOWN, UP, UNKNOWN = Outcome.UNAVAILABLE, Outcome.ANSWERED, Outcome.UNKNOWN


def opened() -> Breaker:
    return after(Breaker("e"), DOWN, DOWN, DOWN)


def test_only_failures_in_a_row_open_it() -> None:
    assert after(Breaker("e"), DOWN, DOWN, UP, DOWN, DOWN).state is BreakerState.CLOSED
    assert after(Breaker("e"), DOWN, DOWN, UNKNOWN).failures == 2
    assert opened() == Breaker("e", BreakerState.OPEN, 3, NOON + RULES.cooldown, 1)


def test_while_it_is_open_nobody_asks_and_afterwards_one_does() -> None:
    breaker = opened()
    assert breaker.admit(RULES, NOON + timedelta(seconds=59.9)) == (breaker, False)
    later = NOON + timedelta(seconds=60)
    probing, first = breaker.admit(RULES, later)
    assert first
    assert probing.state is BreakerState.HALF_OPEN
    assert probing.admit(RULES, later + timedelta(seconds=599)) == (probing, False)


def test_how_the_one_fares_decides() -> None:
    later = NOON + timedelta(seconds=60)
    probing, _ = opened().admit(RULES, later)
    closed = probing.after(UP, probing.generation, RULES, later)
    assert (closed.state, closed.failures, closed.until) == (BreakerState.CLOSED, 0, None)
    again = probing.after(DOWN, probing.generation, RULES, later)
    assert (again.state, again.until) == (BreakerState.OPEN, later + RULES.cooldown)
    untold = probing.after(UNKNOWN, probing.generation, RULES, later)
    assert untold.admit(RULES, later)[1], "nobody knows, so the next one may try at once"


def test_one_who_never_tells_loses_the_turn() -> None:
    probing, _ = opened().admit(RULES, NOON + timedelta(seconds=60))
    assert probing.until is not None
    second, admitted = probing.admit(RULES, probing.until)
    assert admitted
    assert second.after(UP, probing.generation, RULES, probing.until) == second, "the first one's word is stale now"


def test_who_asked_before_it_opened_changes_nothing() -> None:
    breaker = opened()
    for outcome in Outcome:
        assert breaker.after(outcome, 0, RULES, NOON) == breaker
