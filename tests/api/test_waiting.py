"""Waiting ends with the work or with the time, and looks often enough in between."""

from __future__ import annotations

import pytest

from api.waiting import wait_for
from tests.fixtures.loops import run_async


class Work:
    """Something that is over after so many looks; time passes only by pausing."""

    def __init__(self, *, over_after: int, gone_after: int | None = None) -> None:
        self.looks, self.now, self.pauses = 0, 0.0, list[float]()
        self._over_after, self._gone_after = over_after, gone_after

    async def look(self) -> int:
        self.looks += 1
        return self.looks

    async def gone(self) -> bool:
        return self._gone_after is not None and self.looks >= self._gone_after

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def wait(self, seconds: float) -> int:
        return run_async(
            wait_for(
                self.look,
                lambda looks: looks >= self._over_after,
                seconds,
                gone=self.gone,
                clock=lambda: self.now,
                pause=self.pause,
            )
        )


def test_what_is_over_is_answered_at_once() -> None:
    work = Work(over_after=1)
    assert (work.wait(30), work.pauses) == (1, [])


def test_the_end_is_seen_soon_after_it_came() -> None:
    work = Work(over_after=6)
    assert work.wait(30) == 6
    assert work.now < 2
    assert work.pauses == sorted(work.pauses)
    assert max(work.pauses) <= 2.0


@pytest.mark.parametrize("seconds", [0.05, 1, 30, 120])
def test_no_longer_than_asked_and_with_a_look_at_the_end(seconds: float) -> None:
    work = Work(over_after=10**9)
    last = work.wait(seconds)
    assert work.now == pytest.approx(seconds)
    assert last == work.looks == len(work.pauses) + 1
    assert work.looks <= seconds / 2 + 12, "a few looks a minute for each of many callers"


def test_no_time_is_one_look() -> None:
    work = Work(over_after=2)
    assert (work.wait(0), work.pauses) == (1, [])


def test_nobody_is_waited_for_who_has_gone() -> None:
    work = Work(over_after=10**9, gone_after=3)
    assert work.wait(120) == 3
