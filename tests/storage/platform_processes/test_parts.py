"""Bringing one process up: left alone, replaced, or refused with a reason."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.platform_processes import home as places
from storage.platform_processes.ending import end
from storage.platform_processes.errors import AbandonedError, PlatformError
from storage.platform_processes.parts import Part, ensure
from storage.platform_processes.records import Record

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    places.prepare(tmp_path)
    yield tmp_path
    record = Record.load(tmp_path, "part")
    if record is not None:
        end(tmp_path, record, grace_seconds=5)


def _part(ready: Callable[[Record], bool] = lambda _: True, **changes: Any) -> Part:
    part = Part(
        name="part",
        command=SLEEP,
        environment=dict(os.environ),
        own={"COLOUR": "blue"},
        depends_on=["a value"],
        ready=ready,
        patience_seconds=20,
        grace_seconds=5,
    )
    return replace(part, **changes)


def _pid(home: Path) -> int | None:
    record = Record.load(home, "part")
    return record.pid if record is not None else None


def test_what_runs_is_left_alone(home: Path) -> None:
    assert ensure(home, _part(), threading.Event()) == "started"
    pid = _pid(home)
    assert ensure(home, _part(), threading.Event()) == "running"
    assert _pid(home) == pid


@pytest.mark.parametrize(
    "changes", [{"own": {"COLOUR": "green"}}, {"depends_on": ["another"]}, {"command": [*SLEEP, "more"]}]
)
def test_what_was_started_with_something_else_is_replaced(home: Path, changes: dict[str, Any]) -> None:
    ensure(home, _part(), threading.Event())
    pid = _pid(home)
    assert ensure(home, _part(**changes), threading.Event()) == "restarted"
    assert _pid(home) != pid


def test_what_runs_but_never_answers_is_replaced(home: Path) -> None:
    ensure(home, _part(), threading.Event())
    deaf = _pid(home)
    assert (
        ensure(home, _part(lambda record: record.pid != deaf, patience_seconds=0.3), threading.Event()) == "restarted"
    )
    assert _pid(home) != deaf


def test_what_ends_while_starting_is_reported_with_its_last_words(home: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the reason why')"]
    with pytest.raises(PlatformError, match="ended while it was starting") as refused:
        ensure(home, _part(lambda _: False, command=command), threading.Event())
    assert "the reason why" in str(refused.value)


def test_what_does_not_answer_is_reported(home: Path) -> None:
    with pytest.raises(PlatformError, match="does not answer"):
        ensure(home, _part(lambda _: False, patience_seconds=0.3), threading.Event())


def test_nobody_waits_for_a_part_of_a_start_that_has_failed(home: Path) -> None:
    abandoned = threading.Event()
    abandoned.set()
    with pytest.raises(AbandonedError):
        ensure(home, _part(lambda _: False), abandoned)
