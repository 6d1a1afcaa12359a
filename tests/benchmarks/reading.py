"""What reading costs: a version by id, a page of models, and a constant for comparison; all with authentication.

Processor time of the server and of PostgreSQL a call, since that moves little when other programs share the machine.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from storage.platform_processes import commands
from tests.benchmarks.ground import VERSION, Ground, add_models, prepared_ground, settle_down
from tests.benchmarks.http_load import drive, get
from tests.benchmarks.machine import load_average, metered
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.served_app import CONSTANT_PATH, OPEN_PATH
from tests.benchmarks.telling import Telling
from tests.faults.stage import eventually
from tests.fixtures.platform import free_port

MODELS = 20_000
ASKED = 2_000
"""Different versions that are asked for in turn."""


@dataclass(frozen=True)
class Server:
    pid: int
    port: int
    postgres: int


def measure(telling: Telling, *, quick: bool) -> Findings:
    seconds = 2.0 if quick else 6.0
    with prepared_ground() as ground:
        telling.phase(f"seeding {MODELS:,} models")
        models = add_models(ground, MODELS)
        token = ground.token_of(ground.registry.dev)
        with serving(ground) as server:
            return _measured(telling, server, models, token, seconds)


def _measured(telling: Telling, server: Server, models: list[str], token: str, seconds: float) -> Findings:
    def asking(*paths: str, authenticated: bool = True) -> list[bytes]:
        return [get(server.port, path, token if authenticated else None) for path in paths]

    spaced = models[:: len(models) // ASKED]
    calls = {
        "version by id": asking(*(f"/api/v1/models/{model}/versions/{VERSION}" for model in spaced)),
        "constant": asking(CONSTANT_PATH, authenticated=False),
        "models, page of 100": asking("/api/v1/models?pageSize=100"),
        "models, page of 100, search": asking("/api/v1/models?pageSize=100&search=tumour-detector"),
        "models, page of 100, filters": asking("/api/v1/models?pageSize=100&group=retail&tag=credit&riskTier=High"),
    }
    figures: dict[str, Any] = {"models": len(models)}
    for name, requests in calls.items():
        telling.phase(name)
        drive(server.port, requests, clients=16, seconds=seconds / 4)  # statements prepared, pages in memory
        figures[name] = {
            f"{clients} client{'s' if clients > 1 else ''}": _one(server, requests, clients, seconds)
            for clients in (1, 16)
        }
    telling.phase("what authorization adds")
    unfiltered = asking(*(f"{OPEN_PATH}/{model}/{VERSION}" for model in spaced))
    figures["authorization"] = added = _added(server, unfiltered, calls["version by id"], seconds)
    figures["idle server, CPU ms per second"] = _idle(server)
    read, page = figures["version by id"], figures["models, page of 100"]
    searched = figures["models, page of 100, search"]
    busy = read["16 clients"]
    also = {
        "GET version by id at 16 clients": f"{busy['perSecond']:,} per second, p99 {busy['ms']['p99']:.0f} ms",
        "a constant instead, CPU": f"{figures['constant']['16 clients']['cpuMs']['total']} ms",
    }
    return Findings(
        figures,
        [
            Goal("GET version by id, CPU", read["16 clients"]["cpuMs"]["total"], "at most", 1.0, "ms"),
            Goal("GET version by id, p50 at one client", read["1 client"]["ms"]["p50"], "at most", 5.0, "ms"),
            Goal("authorization of that GET, CPU", added["median"], "at most", 0.2, "ms"),
            Goal("page of 100 of 20,000 models, CPU", page["16 clients"]["cpuMs"]["total"], "at most", 6.0, "ms"),
            Goal("the same with search, CPU", searched["16 clients"]["cpuMs"]["total"], "at most", 6.0, "ms"),
        ],
        also,
    )


def _one(server: Server, requests: list[bytes], clients: int, seconds: float) -> dict[str, Any]:
    with metered(server=server.pid, postgres=server.postgres) as meter:
        took = drive(server.port, requests, clients=clients, seconds=seconds)
    return {
        "ms": spread(took),
        "perSecond": round(len(took) / seconds),
        "cpuMs": meter.per(len(took)),
        "loadAverage": load_average(),
    }


def _added(server: Server, without: list[bytes], with_it: list[bytes], seconds: float) -> dict[str, Any]:
    """CPU ms a call that the second kind of call costs more, from pairs of windows in turn."""
    pairs = []
    drive(server.port, without, clients=16, seconds=seconds / 4)
    for _ in range(6):
        first, second = (_one(server, calls, 16, seconds / 2)["cpuMs"]["total"] for calls in (without, with_it))
        pairs.append(round(second - first, 4))
    return {"median": round(median(pairs), 4), "pairs": pairs}


def _idle(server: Server) -> float:
    with metered(server=server.pid, postgres=server.postgres) as meter:
        settle_down(2.0)
    return round(sum(meter.milliseconds.values()) / meter.wall_seconds, 2)


@contextmanager
def serving(ground: Ground) -> Iterator[Server]:
    """The application under one uvicorn process, with the options of `gatehouse up`."""
    port = free_port()
    command = ["tests.benchmarks.served_app:app" if part == "api.app:app" else part for part in commands.api(port)]
    with (ground.home / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=ground.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually("the server's start", lambda: httpx.get(f"http://127.0.0.1:{port}/health").is_success)
        settle_down(1.0)
        yield Server(process.pid, port, ground.postgres.pid)
    finally:
        process.terminate()
        process.wait()
