"""The process started by `worker_command`.

Started with `-c` rather than `-m`: there is then no main module that anything could run a second time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from flows.worker.child import hand_over_logs_and_events
from flows.worker.preloading import PreloadRefusedError
from flows.worker.spares import Spares
from flows.worker.worker import WarmWorker

PRELOAD_REFUSED = 3
"""Exit code."""


def main() -> None:
    options = _parse(sys.argv[1:])
    try:
        asyncio.run(_serve(options))
    except PreloadRefusedError as refusal:
        sys.stderr.write(f"The worker cannot start: {refusal}\n")
        raise SystemExit(PRELOAD_REFUSED) from refusal
    hand_over_logs_and_events()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Prefect's own farewell at interpreter exit would wait a minute for an absent server


async def _serve(options: argparse.Namespace) -> None:
    worker = WarmWorker(
        options.pool,
        name=options.name,
        limit=options.limit,
        spares=Spares(options.preload, options.spares),
        poll_seconds=options.poll_seconds,
        drain_seconds=options.drain_seconds,
    )
    await worker.serve()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a Prefect work pool with forked processes.")
    parser.add_argument("--pool", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--spares", type=int, required=True)
    parser.add_argument("--poll-seconds", type=float, required=True)
    parser.add_argument("--drain-seconds", type=float, required=True)
    parser.add_argument("--preload", action="append", default=[])
    return parser.parse_args(arguments)
