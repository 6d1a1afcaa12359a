"""The warm worker: a Prefect worker whose runs start in processes forked ahead of need.

    worker  (asyncio, a Prefect `BaseWorker`)      worker.py, settlement.py
      └─ fork server (one thread, imports done)    forkserver.py (the worker's end), forking.py (the process)
           ├─ spare child, warmed, waiting         spares.py (the worker's end), child.py (the process)
           └─ child running one flow run, then gone

Every run has its own process: Cancel can stop anything, and a crash takes one run only. Starting that process is a
`fork` of one that has already imported Prefect and the flows, so it costs milliseconds instead of seconds.

This module stays light: it imports neither Prefect nor the flows, so that whoever starts workers need not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

POOL_TYPE = "gatehouse-warm"
"""The type of the Prefect work pools that this worker serves."""


def worker_command(
    pool: str,
    *,
    preload: Sequence[str],
    name: str,
    limit: int,
    spares: int,
    poll_seconds: float,
    drain_seconds: float,
) -> list[str]:
    """The command line of a warm worker that serves the work pool `pool`, which it creates when absent.

    preload: modules to import before forking; each may define `warm_up()`, called once in every spare child.
    limit: most runs at the same time. spares: children kept waiting; 0 forks on demand.
    poll_seconds: how often to ask for work when no event arrives.
    drain_seconds: after SIGTERM, how long running flows may still take.

    The process needs `PREFECT_API_URL` in its environment, and the modules on its path (installed, in the working
    directory, or by `PYTHONPATH`). It exits with 0 after SIGTERM or SIGINT and 3 when a preload module is refused.
    """
    options = {
        "--pool": pool,
        "--name": name,
        "--limit": limit,
        "--spares": spares,
        "--poll-seconds": poll_seconds,
        "--drain-seconds": drain_seconds,
    }
    command = [sys.executable, "-c", "from flows.worker.entry import main; main()"]
    for option, value in options.items():
        command += [option, str(value)]
    for module in preload:
        command += ["--preload", module]
    return command
