"""Flows for the worker's tests. They leave marks in a folder, so that a test knows how far one has come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

from prefect import asuspend_flow_run, flow, get_run_logger, task
from prefect.events import emit_event

warmed_up_by: int | None = None


def warm_up() -> None:
    """The worker's hook: remembers which process has called it."""
    global warmed_up_by  # noqa: PLW0603
    warmed_up_by = os.getpid()


def mark(folder: str, name: str) -> None:
    """Leave the mark atomically; it holds the pid."""
    draft = Path(folder, f".{name}")
    draft.write_text(str(os.getpid()))
    draft.rename(Path(folder, name))


def marked(folder: str, name: str) -> bool:
    return Path(folder, name).exists()


@task
async def double(number: int) -> int:
    return 2 * number


@task
def double_blocking(number: int) -> int:
    return 2 * number


@flow
async def three_tasks(folder: str) -> None:
    mark(folder, "started")
    assert await double(await double(await double(1))) == 8
    mark(folder, "warmed" if warmed_up_by == os.getpid() else "cold")


@flow
def three_tasks_blocking(folder: str) -> None:
    mark(folder, "started")
    assert double_blocking(double_blocking(double_blocking(1))) == 8


@flow
async def talkative(lines: int) -> None:
    for line in range(lines):
        get_run_logger().info("line %s", line)
    emit_event("sample.finished", {"prefect.resource.id": "sample.talkative"})


@flow
async def unobserved() -> None:
    """Prefect would watch from another thread whether somebody suspends the run."""
    assert not [thread for thread in threading.enumerate() if "observer" in thread.name]


@flow
async def failing() -> None:
    raise ValueError("as it should")


@flow
async def leaving_without_a_word() -> None:
    os._exit(0)


@flow
async def waiting(folder: str) -> None:
    mark(folder, "started")
    try:
        while not marked(folder, "go"):
            await asyncio.sleep(0.02)
    finally:
        mark(folder, "cleaned")


@flow
def waiting_blocking(folder: str) -> None:
    mark(folder, "started")
    try:
        while not marked(folder, "go"):
            time.sleep(0.02)
    finally:
        mark(folder, "cleaned")


@flow
def computing(folder: str) -> None:
    mark(folder, "started")
    number = 1
    try:
        while number:
            number = number * 3 % 1000003
    finally:
        mark(folder, "cleaned")


@flow
def stubborn(folder: str) -> None:
    """Does not let itself be interrupted."""
    while True:
        with contextlib.suppress(BaseException):
            mark(folder, "started")
            while True:
                time.sleep(0.02)


@flow
async def suspending(folder: str) -> None:
    mark(folder, "suspended" if not marked(folder, "suspended") else "resumed")
    await asuspend_flow_run(timeout=3600, key="once")
    mark(folder, "finished")


@flow
async def lingering(folder: str) -> None:
    """Suspends at once, but its process stays until the mark `leave`: the event loop waits for its threads."""
    asyncio.get_running_loop().run_in_executor(None, wait_for, folder, "leave")
    mark(folder, "suspended" if not marked(folder, "suspended") else "resumed")
    await asuspend_flow_run(timeout=3600, key="once")


def wait_for(folder: str, name: str) -> None:
    while not marked(folder, name):
        time.sleep(0.02)


@flow
async def bearing(folder: str, wait: bool) -> None:
    """Starts a process and does not look after it."""
    orphan = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220
    Path(folder, ".orphan").write_text(str(orphan.pid))
    Path(folder, ".orphan").rename(Path(folder, "orphan"))
    while wait:
        await asyncio.sleep(0.02)
