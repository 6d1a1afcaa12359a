"""`gatehouse up` until everything is ready, in an empty home and later; and what the idle platform takes."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psutil

from tests.benchmarks.ground import settle_down
from tests.benchmarks.machine import metered, proportional_megabytes
from tests.benchmarks.results import Findings, spread
from tests.benchmarks.telling import Telling
from tests.fixtures.platform import RunningPlatform, free_port
from tests.fixtures.postgres import temporary_home


def measure(telling: Telling, *, quick: bool) -> Findings:
    again, idle_seconds = (1, 5.0) if quick else (3, 20.0)
    with temporary_home() as home:
        platform = RunningPlatform(home)
        try:
            telling.phase("first start")
            first = _up(platform, "--port", str(free_port()))
            later = []
            for _ in range(again):
                telling.phase("stop and later start")
                platform.down()
                later.append(_up(platform))
            telling.phase("idle")
            settle_down(idle_seconds)
            idle = _idle(platform, idle_seconds)
        finally:
            platform.run("down")
    total = idle["total"]
    return Findings(
        {"firstStartSeconds": first, "laterStartSeconds": spread(later), "idle": idle},
        also={
            "first start": f"{first:.1f} s",
            "later start": f"{min(later):.1f} to {max(later):.1f} s",
            "idle memory, PSS": f"{total['megabytes']:.0f} MB",
            "idle processor time": f"{total['cpuPercent']:.1f} % of one processor",
        },
    )


def _up(platform: RunningPlatform, *arguments: str) -> float:
    """Seconds until the command has ended, which waits for everything to be ready."""
    started = time.perf_counter()
    platform.up(*arguments)
    return round(time.perf_counter() - started, 2)


def _idle(platform: RunningPlatform, seconds: float) -> dict[str, Any]:
    """MB (PSS) and processor time by part of the platform, and of its processes one by one."""
    pids = {name: pid for name, pid in platform.pids().items() if pid is not None}
    with metered(**pids) as meter:
        settle_down(seconds)
    found: dict[str, Any] = {}
    for name, pid in pids.items():
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        found[name] = {
            "megabytes": proportional_megabytes(process.pid for process in family),
            "cpuPercent": round(meter.milliseconds[name] / meter.wall_seconds / 10, 2),
            "processes": _one_by_one(family),
        }
    found["total"] = {
        "megabytes": round(sum(part["megabytes"] for part in found.values()), 1),
        "cpuPercent": round(sum(part["cpuPercent"] for part in found.values()), 2),
    }
    return found


def _one_by_one(family: list[psutil.Process]) -> list[dict[str, Any]]:
    found = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            words = " ".join(process.cmdline())[:120]
            found.append({"process": words, "megabytes": proportional_megabytes([process.pid])})
    return found
