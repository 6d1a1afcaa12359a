"""What the worker makes of a run whose process has ended, state by state."""

from __future__ import annotations

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    Suspended,
)

from flows.worker.settlement import last_word


@pytest.mark.parametrize("state", [Completed(), Failed(), Cancelled(), Crashed()])
@pytest.mark.parametrize("exit_code", [0, 1, -9, None])
def test_what_the_engine_has_said_stands(state: State, exit_code: int | None) -> None:
    assert last_word(state, exit_code) is None


@pytest.mark.parametrize("state", [Suspended(), Paused(), Scheduled(), AwaitingRetry()])
def test_a_run_that_is_to_go_on_later_is_left(state: State) -> None:
    assert last_word(state, 0) is None


@pytest.mark.parametrize("exit_code", [0, -9, None])
def test_a_run_being_cancelled_is_cancelled(exit_code: int | None) -> None:
    verdict = last_word(Cancelling(), exit_code)
    assert verdict is not None
    assert verdict.is_cancelled()


@pytest.mark.parametrize("state", [None, Pending(), Running()])
@pytest.mark.parametrize(
    ("exit_code", "told"), [(0, "exit code 0"), (1, "exit code 1"), (-9, "SIGKILL"), (None, "unknown")]
)
def test_leaving_without_a_word_is_a_crash(state: State | None, exit_code: int | None, told: str) -> None:
    verdict = last_word(state, exit_code)
    assert verdict is not None
    assert verdict.is_crashed()
    assert told in (verdict.message or "")
