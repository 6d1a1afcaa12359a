"""Telling somebody what is being done. Several steps may go on at the same time, in several threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from storage.platform_processes.errors import AbandonedError


class Steps(Protocol):
    """Whoever shows progress. `what` names a step and is the same in all calls about it."""

    def begin(self, what: str) -> None: ...
    def finish(self, what: str, outcome: str) -> None: ...
    def fail(self, what: str, outcome: str) -> None: ...


class Unseen:
    """Nobody looks."""

    def begin(self, what: str) -> None:
        pass

    def finish(self, what: str, outcome: str) -> None:
        pass

    def fail(self, what: str, outcome: str) -> None:
        pass


class Outcome:
    """How a step ended, in a word or two; set it within the step."""

    def __init__(self) -> None:
        self.words = "done"


@contextmanager
def step(steps: Steps, what: str) -> Iterator[Outcome]:
    outcome = Outcome()
    steps.begin(what)
    try:
        yield outcome
    except AbandonedError:
        steps.fail(what, "not waited for")
        raise
    except BaseException:
        steps.fail(what, "failed")
        raise
    steps.finish(what, outcome.words)
