"""The command lines of the platform's own processes. (That of Prefect's server is in
`storage.prefect_server`.)

The warm worker lives in a room that may not be imported from here, so its command line is written out; a test
compares it with what the worker itself says.
"""

from __future__ import annotations

import sys

HOST = "127.0.0.1"

WARM_POOL_TYPE = "gatehouse-warm"
STOCK_POOL_TYPE = "process"

PRELOAD = ("flows.transitions",)
"""What a warm worker imports before it forks."""

POLL_SECONDS = 5.0
DRAIN_SECONDS = 10.0
"""How long running flows may still take when the worker is stopped."""

GRACE_SECONDS = {
    "api": 15.0,  # it gives open calls 5 s
    "worker": DRAIN_SECONDS + 25.0,  # drain, stop children, report
    "prefect": 15.0,
}
"""From SIGTERM to SIGKILL."""


def warm_worker(pool: str, *, name: str, limit: int, spares: int) -> list[str]:
    command = [sys.executable, "-c", "from flows.worker.entry import main; main()"]
    command += ["--pool", pool, "--name", name, "--limit", str(limit), "--spares", str(spares)]
    command += ["--poll-seconds", str(POLL_SECONDS), "--drain-seconds", str(DRAIN_SECONDS)]
    for module in PRELOAD:
        command += ["--preload", module]
    return command


def stock_worker(pool: str, *, name: str, limit: int) -> list[str]:
    """Prefect's own process worker: a new interpreter for every run."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", STOCK_POOL_TYPE]
    return [*command, "--pool", pool, "--name", name, "--limit", str(limit)]


def api(port: int) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "api.app:app",
        "--host",
        HOST,
        "--port",
        str(port),
    ]
    command += ["--loop", "uvloop", "--http", "api.protocol:GuardedHttp", "--no-access-log", "--no-server-header"]
    # The API itself decides whose X-Forwarded-For it believes (setting trusted_proxies); the server believes nobody.
    return [*command, "--no-proxy-headers", "--timeout-graceful-shutdown", "5"]


def deploy() -> list[str]:
    """Register what `prefect.yaml` in the working directory declares."""
    return [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
