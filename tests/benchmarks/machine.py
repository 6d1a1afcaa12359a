"""The machine that the figures are of, and the processor time that a family of processes has used."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil


def described() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memoryBytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def load_average() -> float:
    """Of the last minute: how many processes wanted a processor."""
    return round(os.getloadavg()[0], 2)


def processor_seconds(pid: int) -> float:
    """User and system time of a process, its descendants, and those of them that have ended, from /proc."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    seconds = 0.0
    for member in family:
        with suppress(psutil.NoSuchProcess):
            seconds += sum(member.cpu_times()[:4])  # user, system, and both of children that were waited for
    return seconds


class Meter:
    """Processor time used between entering and leaving a block, by family and together, in milliseconds."""

    def __init__(self, families: dict[str, int]) -> None:
        self._families = families
        self.milliseconds: dict[str, float] = {}
        self.wall_seconds = 0.0

    def per(self, calls: int) -> dict[str, float]:
        """Milliseconds a call, by family and "total"."""
        shares = {name: round(used / calls, 4) for name, used in self.milliseconds.items()}
        return {**shares, "total": round(sum(self.milliseconds.values()) / calls, 4)}


@contextmanager
def metered(**pids: int) -> Iterator[Meter]:
    """Measure the families of processes that begin with these pids."""
    meter = Meter(pids)
    before = _all(pids)
    started = time.perf_counter()
    yield meter
    meter.wall_seconds = time.perf_counter() - started
    meter.milliseconds = {name: (after - before[name]) * 1000 for name, after in _all(pids).items()}


def _all(pids: dict[str, int]) -> dict[str, float]:
    return {name: processor_seconds(pid) for name, pid in pids.items()}


def proportional_megabytes(pids: Iterable[int]) -> float:
    """PSS: pages that several processes share are counted once altogether."""
    found = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found += psutil.Process(pid).memory_full_info().pss
    return round(found / 1e6, 1)
