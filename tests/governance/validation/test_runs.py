"""How a run ends: the worst of its tests decides, and nothing shown is nothing passed."""

from __future__ import annotations

from typing import Any

import pytest

from governance.validation.runs import RunStatus, status_of, worst

P, F, E, I = "passed", "failed", "error", "insufficient_evidence"  # noqa: E741


def outcomes_of(*outcomes: str) -> list[dict[str, Any]]:
    return [{"title": f"test {i}", "outcome": outcome, "reason": "why"} for i, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "regression", "undecided", "expected"),
    [
        ((P, P), False, False, RunStatus.PASSED),
        ((P, F), False, False, RunStatus.FAILED),
        ((P, F, E), False, False, RunStatus.ERROR),
        ((P,), True, False, RunStatus.FAILED),
        ((P, I), True, False, RunStatus.FAILED),
        ((P, I), False, False, RunStatus.INSUFFICIENT),
        ((P,), False, True, RunStatus.INSUFFICIENT),
        ((), False, False, RunStatus.INSUFFICIENT),
        ((E,), True, True, RunStatus.ERROR),
    ],
)
def test_the_worst_decides(outcomes: tuple[str, ...], regression: bool, undecided: bool, expected: RunStatus) -> None:
    status, reason = status_of(outcomes_of(*outcomes), regression=regression, undecided=undecided)
    assert status is expected
    assert (reason is None) == (status is RunStatus.PASSED)


def test_the_reason_names_the_first_and_how_many_more() -> None:
    _, reason = status_of(outcomes_of(F, P, F, F), regression=False, undecided=False)
    assert reason == "test 0: why (and 2 more)"


def test_the_worst_severity() -> None:
    assert worst(["low", "high", "medium"]) == "high"
    assert worst([]) == "none"
