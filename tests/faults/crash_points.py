"""Preloaded into the worker of the fault tests: ends something with SIGKILL at a chosen moment of a run, once.

Moments are numbered as they come: before and after every step of the walk, before every SQL statement, and around
every commit. The file named by GATEHOUSE_CRASH_CONTROL says which moment and what dies:
`{"point": 17, "victim": "run" | <pid>, "log": path, "spent": path}`. Every moment's name is appended to the log.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from flows.runtime import platform
from flows.transitions import decision_form, story, tasks
from governance.operations import settling

_seen = 0


def warm_up() -> None:
    """Called in every spare process after the fork: put the moments around what the run will do."""
    engine = platform().engine
    event.listen(engine, "before_cursor_execute", _before_statement)
    event.listen(engine, "commit", _before_commit)
    for module, name in (
        (settling, "begin"),
        (settling, "park"),
        (settling, "settle"),
        (story, "publish"),
        (decision_form, "save_form"),
        (decision_form, "asuspend_flow_run"),
    ):
        setattr(module, name, _around(name, getattr(module, name)))
    for task in (tasks.gather, tasks.gate, tasks.settle):
        task.fn = _around(f"task {task.name}", task.fn)


def _before_statement(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    _moment("sql " + " ".join(statement.split())[:60])


def _before_commit(connection: Any) -> None:
    _moment("commit")


def _around(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if _is_async(function):

        @functools.wraps(function)
        async def moments_async(*args: Any, **options: Any) -> Any:
            _moment(f"before {name}")
            result = await function(*args, **options)
            _moment(f"after {name}")
            return result

        return moments_async

    @functools.wraps(function)
    def moments(*args: Any, **options: Any) -> Any:
        _moment(f"before {name}")
        result = function(*args, **options)
        _moment(f"after {name}")
        return result

    return moments


def _is_async(function: Callable[..., Any]) -> bool:

    return inspect.iscoroutinefunction(function)


def _moment(name: str) -> None:
    global _seen  # noqa: PLW0603  (a process runs one flow)
    try:
        control = json.loads(Path(os.environ["GATEHOUSE_CRASH_CONTROL"]).read_text())
    except (FileNotFoundError, ValueError):
        return
    _seen += 1
    with Path(control["log"]).open("a") as log:
        log.write(f"{os.getpid()} {_seen} {name}\n")
    if _seen != control["point"]:
        return
    try:
        os.close(os.open(control["spent"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return  # it has happened already, in an earlier attempt
    victim = control["victim"]
    if victim == "run":
        os.kill(os.getpid(), signal.SIGKILL)
    for pid in victim:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
