"""The gate before the hashing of passwords: a short queue, and a budget of CPU time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api.signing_in import BURST_SECONDS, MOST_REMEMBERED, QUEUE, SLOTS, SignInGate
from governance.errors import SignInBusy, TooManyAttempts
from storage.settings import Settings
from tests.fixtures.loops import run_async


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock, tmp_path: Path) -> SignInGate:
    return SignInGate(Settings(home=tmp_path, sign_in_cpu_percent=50), clock)


async def enter(gate: SignInGate) -> None:
    async with gate:
        pass


def test_who_comes_when_the_queue_is_full_is_refused_at_once(gate: SignInGate) -> None:
    async def run() -> tuple[int, int]:
        inside, most, go = 0, 0, asyncio.Event()

        async def attempt() -> bool:
            nonlocal inside, most
            async with gate:
                inside += 1
                most = max(most, inside)
                await go.wait()
                inside -= 1
            return True

        attempts = [asyncio.create_task(attempt()) for _ in range(SLOTS + QUEUE)]
        await asyncio.sleep(0)
        with pytest.raises(SignInBusy) as refusal:
            await enter(gate)
        assert refusal.value.details == {"retryAfter": 1}
        go.set()
        done = sum(await asyncio.gather(*attempts))
        await enter(gate)
        return done, most

    assert run_async(run()) == (SLOTS + QUEUE, SLOTS)


def test_who_gives_up_waiting_leaves_the_place_to_others(gate: SignInGate) -> None:
    async def run() -> None:
        for _ in range(3 * (SLOTS + QUEUE)):
            async with gate, gate:
                waiting = asyncio.create_task(enter(gate))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
        await enter(gate)

    run_async(run())


def test_a_spent_budget_is_refused_until_it_is_saved_again(gate: SignInGate, clock: Clock) -> None:
    async def run() -> None:
        gate.spend(BURST_SECONDS + 1.0)
        with pytest.raises(SignInBusy) as refusal:
            await enter(gate)
        assert refusal.value.details == {"retryAfter": 2}  # one second of CPU at half a core
        clock.now += 2.1
        await enter(gate)
        clock.now += 1_000
        gate.spend(BURST_SECONDS)  # no more than this is ever saved
        with pytest.raises(SignInBusy):
            await enter(gate)

    run_async(run())


def test_without_a_budget_everybody_is_admitted(tmp_path: Path) -> None:
    gate = SignInGate(Settings(home=tmp_path, sign_in_cpu_percent=0))
    gate.spend(1_000)
    run_async(enter(gate))


def test_locks_are_remembered_for_a_moment_and_in_bounds(gate: SignInGate, clock: Clock) -> None:
    gate.remember_locked(["a"], 200.0)
    gate.remember_locked(["b"], 2.0)
    with pytest.raises(TooManyAttempts) as refusal:
        gate.refuse_locked(["x", "a"])
    assert refusal.value.details == {"retryAfter": 200}, "how long the lock lasts, not how long it is remembered"
    clock.now += 3
    gate.refuse_locked(["b"])
    clock.now += 3
    gate.refuse_locked(["a"])
    for number in range(3 * MOST_REMEMBERED):
        gate.remember_locked([str(number)], 60.0)
    assert len(gate._locked) <= MOST_REMEMBERED
