"""What is done before the first fork, and in each child just after it.

Forking copies memory but only the calling thread, so a lock held by any other thread stays locked in the child for
ever. Hence the rule of this file: after every import the process still has exactly one thread, or nothing starts.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from types import ModuleType

import psutil


class PreloadRefusedError(Exception):
    """A module cannot be preloaded; the message names it and says why."""


ONE_THREAD_EACH = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Environment of the fork server, against threads at import: of OpenBLAS, of the allocator in pyarrow, and of the
telemetry in onnxruntime. One numerical thread per run is enough, as runs are processes side by side."""


def preload(names: Sequence[str]) -> list[ModuleType]:
    """Import the modules in order. Raises PreloadRefusedError naming the first that fails or starts a thread."""
    modules = []
    _require_one_thread("the worker's own modules")
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except (Exception, SystemExit) as cause:
            reason = f"preload module {name!r} cannot be imported: {type(cause).__name__}: {cause}"
            raise PreloadRefusedError(reason) from cause
        _require_one_thread(f"preload module {name!r}")
    return modules


def _require_one_thread(suspect: str) -> None:
    threads = psutil.Process().num_threads()
    if threads != 1:
        raise PreloadRefusedError(f"{suspect} started {threads - 1} thread(s) at import; forking is not safe then")


def warm_up(modules: Sequence[ModuleType], log: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
    """Call every module's `warm_up()`. A failure is logged, not fatal: the run has to open its own connections."""
    for module in modules:
        hook = getattr(module, "warm_up", None)
        if hook is not None:
            try:
                hook()
            except Exception:
                log.warning("warm_up() of %s failed in a spare child", module.__name__, exc_info=True)


def part_from_siblings() -> None:
    """Give this child random numbers of its own where the library does not do so itself after a fork.

    `random`, OpenSSL and uuid-utils reseed themselves; NumPy's legacy global generator does not.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
