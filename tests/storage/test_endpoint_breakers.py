"""The breaker of an endpoint as two workers share it through PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from governance.breakers import BreakerRules, Outcome
from governance.operations.endpoints import NotNow, Turn, report, take_turn
from storage.composition import Platform
from tests.fixtures.registry import RegistryUnderTest

RULES = BreakerRules(failures=2, cooldown=timedelta(seconds=60), probe=timedelta(seconds=600))
Taken = Turn | NotNow
URL = "https://models.example.org/a"


def asked(registry: RegistryUnderTest, *outcomes: Outcome, url: str = URL) -> None:
    for outcome in outcomes:
        turn = take_turn(registry.unit(), registry.call(None), url, RULES)
        assert isinstance(turn, Turn)
        report(registry.unit(), registry.call(None), turn, outcome, RULES)


def together(
    registry: RegistryUnderTest, workers: int, act: Callable[[Platform], Turn | NotNow]
) -> list[Turn | NotNow]:
    """What workers, each with connections of its own, get at the same moment."""
    barrier = Barrier(workers)

    def work(_: int) -> Taken:
        own = Platform(registry.settings, pool_size=1)
        try:
            with own.engine.connect():
                barrier.wait(30)
            return act(own)
        finally:
            own.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, range(workers)))


def test_an_endpoint_that_fails_is_left_alone_by_everybody(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    asked(registry, Outcome.UNAVAILABLE, Outcome.UNAVAILABLE)
    refused = together(registry, 2, lambda own: take_turn(own.new_unit(), registry.call(None), URL, RULES))
    assert refused == [NotNow(2, registry.at + RULES.cooldown)] * 2
    asked(registry, Outcome.ANSWERED, url="https://models.example.org/b")  # another one is none of its business


def test_one_worker_of_several_may_try_again(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    asked(registry, Outcome.UNAVAILABLE, Outcome.UNAVAILABLE)
    registry.later(seconds=61)
    results = together(registry, 6, lambda own: take_turn(own.new_unit(), registry.call(None), URL, RULES))
    (turn,) = [result for result in results if isinstance(result, Turn)]
    report(registry.unit(), registry.call(None), turn, Outcome.ANSWERED, RULES)
    asked(registry, Outcome.ANSWERED)


def test_no_failure_of_workers_at_the_same_time_is_lost(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    rules = BreakerRules(failures=6, cooldown=RULES.cooldown, probe=RULES.probe)

    def fail(own: Platform) -> Taken:
        turn = take_turn(own.new_unit(), registry.call(None), URL, rules)
        assert isinstance(turn, Turn)
        report(own.new_unit(), registry.call(None), turn, Outcome.UNAVAILABLE, rules)
        return turn

    together(registry, 5, fail)
    asked_once_more = take_turn(registry.unit(), registry.call(None), URL, rules)
    assert isinstance(asked_once_more, Turn)
    report(registry.unit(), registry.call(None), asked_once_more, Outcome.UNAVAILABLE, rules)
    assert isinstance(take_turn(registry.unit(), registry.call(None), URL, rules), NotNow)


def test_a_worker_that_died_in_its_turn_blocks_nobody_for_ever(registry_under_test: RegistryUnderTest) -> None:
    registry = registry_under_test
    asked(registry, Outcome.UNAVAILABLE, Outcome.UNAVAILABLE)
    registry.later(seconds=61)
    lost = take_turn(registry.unit(), registry.call(None), URL, RULES)
    assert isinstance(lost, Turn)
    assert isinstance(take_turn(registry.unit(), registry.call(None), URL, RULES), NotNow)
    registry.later(seconds=601)
    asked(registry, Outcome.ANSWERED)
    report(registry.unit(), registry.call(None), lost, Outcome.UNAVAILABLE, RULES)
    asked(registry, Outcome.ANSWERED)
