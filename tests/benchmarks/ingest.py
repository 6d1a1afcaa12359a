"""Recording inferences over HTTP: points a second by the thousand and one by one, and what reading them costs.

One API process with the options of `gatehouse up`; every answer follows its commit. Clients run in a process of their
own on the same machine.
"""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import numpy as np

from storage.composition import now
from storage.metrics.compaction import compact
from tests.benchmarks.ground import Ground, prepared_ground
from tests.benchmarks.http_load import drive, get
from tests.benchmarks.machine import load_average, metered
from tests.benchmarks.reading import Server, serving
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling
from tests.governance.operations.situations import query

BATCH = 1_000
VERSIONS = 8
ROOT = "/api/models/enterprise/registry"


def measure(telling: Telling, *, quick: bool) -> Findings:
    seconds = 3.0 if quick else 10.0
    numbers = random.Random(5)
    with prepared_ground() as ground:
        r = ground.registry
        versions = [r.version(r.model(), weights=None) for _ in range(VERSIONS)]
        token = ground.token_of(r.dev)
        with serving(ground) as server:
            return _measured(telling, ground, server, versions, token, numbers, seconds)


def _measured(
    telling: Telling,
    ground: Ground,
    server: Server,
    versions: list[str],
    token: str,
    numbers: random.Random,
    seconds: float,
) -> Findings:
    timings = {version: [round(numbers.lognormvariate(5, 0.8), 3) for _ in range(BATCH)] for version in versions}
    batches = [_batch(server.port, version, timings[version], token) for version in versions]
    lines = [_batch(server.port, version, timings[version], token, ndjson=True) for version in versions]
    single = [_post(server.port, f"{ROOT}/{version}/inference?timing_ms=12.5", token) for version in versions]
    forms = {"JSON arrays": (batches, BATCH), "NDJSON": (lines, BATCH), "one by one": (single, 1)}
    figures: dict[str, Any] = {}
    for name, (requests, size) in forms.items():
        drive(server.port, requests, clients=8, seconds=1.0)
        for clients in (1, 8):
            telling.phase(f"{name}, {clients} clients")
            figures[f"{name}, {clients} clients"] = _one(server, requests, size, clients, seconds)
    telling.phase("reading")
    figures["percentile error, %"] = worst = _worst_error(server, ground, token)
    reading = [get(server.port, f"{ROOT}/{version}/metrics", token) for version in versions]
    figures["metrics, before compaction"] = _one(server, reading, 1, 4, seconds / 2)
    rows = "select count(*) from inference_sketches"
    figures["rows"] = int(query(ground.registry, rows)[0][0])
    figures["compacted"] = compact(ground.platform.engine, now())._asdict()
    figures["metrics, after compaction"] = _one(server, reading, 1, 4, seconds / 2)
    figures["exposition"] = _one(server, [get(server.port, "/metrics", token)], 1, 4, seconds / 2)
    busy = figures["JSON arrays, 8 clients"]
    return Findings(
        figures,
        [
            Goal("inferences in batches of 1,000", busy["pointsPerSecond"], "at least", 20_000, "a second"),
            Goal("error of percentiles", worst, "at most", 1.0, "%"),
        ],
        {
            "NDJSON in batches of 1,000": f"{figures['NDJSON, 8 clients']['pointsPerSecond']:,} a second",
            "one by one, 8 clients": f"{figures['one by one, 8 clients']['pointsPerSecond']:,} a second",
            "CPU a batch": f"{busy['cpuMs']['total']} ms",
            "metrics of a version, p50": f"{figures['metrics, after compaction']['ms']['p50']} ms",
            "exposition, p50": f"{figures['exposition']['ms']['p50']} ms",
        },
    )


def _one(server: Server, requests: list[bytes], size: int, clients: int, seconds: float) -> dict[str, Any]:
    with metered(server=server.pid, postgres=server.postgres) as meter:
        took = drive(server.port, requests, clients=clients, seconds=seconds)
    return {
        "ms": spread(took),
        "pointsPerSecond": round(len(took) * size / seconds),
        "cpuMs": meter.per(len(took)),
        "loadAverage": load_average(),
    }


def _worst_error(server: Server, ground: Ground, token: str) -> float:
    """Percent, over shapes of timings and percentiles, read back over HTTP."""
    r, worst = ground.registry, 0.0
    generator = np.random.default_rng(7)
    shapes = {
        "lognormal": generator.lognormal(5, 1, 50_000),
        "pareto tail": 50 * (1 + generator.pareto(1.5, 50_000)),
        "uniform": generator.uniform(0.01, 2_000, 50_000),
    }
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, trust_env=False) as client:
        for values in shapes.values():
            path = f"{ROOT}/{r.version(r.model(), weights=None)}"
            for part in values.reshape(10, -1):
                client.post(f"{path}/inference", json=[{"timing_ms": value} for value in part]).raise_for_status()
            found = client.get(f"{path}/metrics").json()["data"]["percentiles"]
            for percent in (50, 95, 99):
                exact = float(np.quantile(values, percent / 100, method="lower"))
                worst = max(worst, abs(found[f"p{percent}"] - exact) / exact * 100)
    return round(worst, 4)


def _batch(port: int, version: str, timings: list[float], token: str, *, ndjson: bool = False) -> bytes:
    points = [
        {"timing_ms": value} if n % 25 else {"timing_ms": value, "success": False, "error": "TimeoutError: late"}
        for n, value in enumerate(timings)
    ]
    path = f"{ROOT}/{version}/inference"
    if ndjson:
        return _post(port, path, token, "\n".join(map(json.dumps, points)).encode(), "application/x-ndjson")
    return _post(port, path, token, json.dumps(points).encode())


def _post(port: int, path: str, token: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
