"""What a decision costs the database: `settle` alone, on requests whose evidence has been gathered.

Clients are threads, in one process or spread over several; the fastest way is the one that is held against the goal.
Counted are the processor time of the clients and of PostgreSQL. The audit log's sequencer does not run meanwhile; the
entries of every decision wait in its outbox, where they are counted in the end.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from governance.evidence import Evidence
from governance.operations import settling
from storage.composition import Platform, new_id, now
from storage.settings import Settings
from tests.benchmarks.ground import Ground, add_models, prepared_ground, settle_down
from tests.benchmarks.machine import load_average, metered
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling

CLIENTS = 16
WAYS = (1, 2, 4)
"""Numbers of processes among which the clients are spread."""
WARMING = 12
"""Decisions of every client before the clock runs: connections, statements prepared (after 5) and planned (5 more)."""

Prepared = list[tuple[str, Evidence]]


@dataclass(frozen=True, slots=True)
class Spell:
    """What one process did: begin and end of its decisions (s since the epoch), and its processor time."""

    spans: list[tuple[float, float]]
    processor_seconds: float


def measure(telling: Telling, *, quick: bool) -> Findings:
    each = CLIENTS * (WARMING + (25 if quick else 80))
    with prepared_ground() as ground:
        telling.phase(f"preparing {each * len(WAYS):,} requests")
        requests = _open_requests(ground, each * len(WAYS))
        figures: dict[str, Any] = {"clients": CLIENTS, "transition": "submit"}
        ways = {}
        for turn, processes in enumerate(WAYS):
            name = f"{processes} process{'es' if processes > 1 else ''} of {CLIENTS // processes} threads"
            telling.phase(f"deciding, {name}")
            ways[name] = _decided(ground, requests[turn * each : (turn + 1) * each], processes)
        figures["ways"], figures["stored"] = ways, _stored(ground)
    best = max(ways, key=lambda name: float(ways[name]["perSecond"]))
    return Findings(
        {"best": best, **figures},
        [
            Goal(f"decisions at {CLIENTS} clients ({best})", ways[best]["perSecond"], "at least", 300, "per second"),
            Goal("CPU of a decision, client and PostgreSQL", ways[best]["cpuMs"]["total"], "at most", 4.0, "ms"),
        ],
        {"decided and stored": str(figures["stored"])},
    )


def _open_requests(ground: Ground, count: int) -> list[str]:
    """Ids of requests to submit a complete draft, each of another model, being judged; written by plain COPY."""
    add_models(ground, count)
    author, at = ground.registry.dev.id, now()
    requests = []
    with psycopg.connect(ground.platform.settings.database_url) as connection, connection.cursor() as cursor:
        drafts = cursor.execute("select model_id, id from model_versions").fetchall()
        with cursor.copy(
            "copy transition_requests (id, model_id, version_id, transition, status, requester_id, reason, attempt,"
            " created_at, updated_at) from stdin"
        ) as copy:
            for model, version in drafts:
                requests.append(new_id())
                copy.write_row((requests[-1], model, version, "submit", "judging", author, "", 1, at, at))
    return requests


def _decided(ground: Ground, requests: Sequence[str], processes: int) -> dict[str, Any]:
    threads = CLIENTS // processes
    context = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=context) for _ in range(processes)]
    try:
        shares = [requests[number::processes] for number in range(processes)]
        for ready in [pool.submit(_prepare, ground.home, share) for pool, share in zip(pools, shares, strict=True)]:
            ready.result()
        settle_down(1.0)
        begin = time.time() + 0.5 + 0.05 * WARMING * CLIENTS
        running = [pool.submit(_run, threads, begin) for pool in pools]
        time.sleep(max(0.0, begin - time.time()))
        with metered(postgres=ground.postgres.pid) as meter:
            spells = [spell.result() for spell in running]
    finally:
        for pool in pools:
            pool.shutdown()
    spans = [span for spell in spells for span in spell.spans]
    meter.milliseconds["clients"] = sum(spell.processor_seconds for spell in spells) * 1000
    seconds = max(end for _, end in spans) - min(start for start, _ in spans)
    return {
        "perSecond": round(len(spans) / seconds),
        "ms": spread([(end - start) * 1000 for start, end in spans]),
        "cpuMs": meter.per(len(spans)),
        "loadAverage": load_average(),
    }


def _stored(ground: Ground) -> dict[str, int]:
    """Requests by status, and what waits for the audit log."""
    with psycopg.connect(ground.platform.settings.database_url) as connection:
        found: dict[str, int] = dict(
            connection.execute("select status, count(*) from transition_requests group by 1").fetchall()
        )
        waiting = connection.execute("select count(*) from audit_outbox where entry like '%\"request:applied\"%'")
        return {**found, "audit entries": (waiting.fetchone() or (0,))[0]}


# ------------------------------------------------------------------ in a client process


_ready: list[tuple[Platform, Prepared]] = []
"""What `_prepare` leaves for `_run`: one item."""


def _prepare(home: Path, requests: Sequence[str]) -> None:
    """Gather the evidence, as the flow has done when it comes to settling."""
    platform = Platform(Settings.load({"GATEHOUSE_HOME": str(home)}), pool_size=CLIENTS)
    _ready.append((platform, [(request_id, _evidence(platform, request_id)) for request_id in requests]))


def _evidence(platform: Platform, request_id: str) -> Evidence:
    with platform.new_unit() as uow:
        request = uow.requests.get(request_id)
        subject = uow.facts.subject(request, request.transition)
    measured = [
        {"id": item["id"], "storedSha256": item["sha256"], "format": "onnx", "safe": True, "reason": "valid ONNX"}
        for item in subject["artifacts"]
    ]
    return Evidence(subject, {"artifacts": measured, "comparisons": []})


def _run(threads: int, begin: float) -> Spell:
    platform, prepared = _ready.pop()
    with ThreadPoolExecutor(threads) as pool:
        clients = [pool.submit(_client, platform, prepared[number::threads], begin) for number in range(threads)]
        time.sleep(max(0.0, begin - time.time()))
        before = time.process_time()
        spans = [span for client in clients for span in client.result()]
        used = time.process_time() - before
    platform.close()
    return Spell(spans, used)


def _client(platform: Platform, prepared: Prepared, begin: float) -> list[tuple[float, float]]:
    for request_id, evidence in prepared[:WARMING]:
        _settle(platform, request_id, evidence)
    time.sleep(max(0.0, begin - time.time()))
    spans = []
    for request_id, evidence in prepared[WARMING:]:
        start = time.time()
        _settle(platform, request_id, evidence)
        spans.append((start, time.time()))
    return spans


def _settle(platform: Platform, request_id: str, evidence: Evidence) -> None:
    settlement = settling.settle(
        platform.new_unit(), platform.system_call("benchmark"), platform.target, request_id, evidence
    )
    if settlement.status != "applied":
        raise RuntimeError(f"request {request_id}: {settlement}")
