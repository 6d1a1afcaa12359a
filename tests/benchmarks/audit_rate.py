"""How many audited business changes per second, how soon they are sealed, how fast a log is verified.

Every client is a thread with a connection of its own: one transaction changes one row and appends one event.
Clients run in processes beside the sequencer's, on the same machine as PostgreSQL.
"""

from __future__ import annotations

import bisect
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import create_engine, text

from storage.audit_log import Sequencer, append, verify_log
from storage.composition import open_engine
from tests.governance.audit.histories import AUDIT_KEY, SIGNING_KEY, VERIFIER, drafts, event

ROWS = 10_000
"""Rows of the business table; clients take them in turn, so that they do not wait for each other."""

_CHANGE = text("update business set state = :state, revision = revision + 1 where id = :id")


def measure(
    fresh_database: Callable[[], AbstractContextManager[str]],
    directory: Path,
    *,
    clients: int = 64,
    processes: int = 2,
    seconds: float = 8.0,
    verified_entries: int = 300_000,
) -> dict[str, Any]:
    """Figures as JSON. `fresh_database()` gives the URL of an empty database; `directory` takes files."""
    with fresh_database() as dsn:
        writing = _measure_writing(dsn, directory / "writing", clients, processes, seconds)
    with fresh_database() as dsn:
        verifying = _measure_verifying(dsn, directory / "verifying", verified_entries)
    return {"writing": writing, "verifying": verifying, "processors": os.cpu_count()}


def _measure_writing(dsn: str, directory: Path, clients: int, processes: int, seconds: float) -> dict[str, Any]:
    _create(dsn)
    stop, seen = threading.Event(), threading.Event()
    sequencer = _sequencer(dsn, directory)
    sealed: list[tuple[float, int]] = []
    worker = threading.Thread(target=sequencer.run, args=(stop,))
    observer = threading.Thread(target=_observe, args=(directory / "checkpoint", sealed, seen))
    worker.start()
    observer.start()
    before = time.process_time()
    try:
        commits = _commits(dsn, clients, processes, seconds)
        deadline = time.monotonic() + 60
        while not (sealed and sealed[-1][1] >= len(commits)):
            if time.monotonic() > deadline:
                raise TimeoutError("the last entries were not sealed")
            time.sleep(0.01)
    finally:
        cpu = time.process_time() - before
        stop.set()
        worker.join()
        seen.set()
        observer.join()
    report = verify_log(dsn, directory, public_key=VERIFIER, mac_key=AUDIT_KEY)
    ends = sorted(end for _, end in commits)
    return {
        "clients": clients,
        "entriesPerSecond": round(len(ends) / (ends[-1] - ends[0])),
        "commitMilliseconds": _percentiles([(end - start) * 1000 for start, end in commits]),
        "sealedMilliseconds": _percentiles([delay * 1000 for delay in _seal_delays(ends, sealed)]),
        "sequencerCpuMillisecondsPerEntry": round(cpu * 1000 / len(ends), 4),
        "entries": report.entries,
        "complete": report.ok and report.entries == len(ends) == report.sealed,
        "loadAverage": os.getloadavg()[0],
    }


def _measure_verifying(dsn: str, directory: Path, entries: int) -> dict[str, Any]:
    _create(dsn)
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor() as cursor,
        cursor.copy("copy audit_outbox (entry, leaf, mac) from stdin (format binary)") as copy,
    ):
        copy.set_types(["text", "bytea", "bytea"])
        for row in drafts(entries):
            copy.write_row(row)
    started = time.perf_counter()
    _sequencer(dsn, directory).drain(timeout=600)
    sequenced = time.perf_counter() - started
    memory = psutil.Process().memory_info().rss
    cpu, started = time.process_time(), time.perf_counter()
    report = verify_log(dsn, directory, public_key=VERIFIER, mac_key=AUDIT_KEY)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {
        "entries": report.entries,
        "ok": report.ok,
        "entriesPerSecond": round(entries / wall),
        "entriesPerProcessorSecond": round(entries / cpu),
        "sequencedPerSecond": round(entries / sequenced),
        "memoryGrowthBytes": max(0, psutil.Process().memory_info().rss - memory),
        "loadAverage": os.getloadavg()[0],
    }


def _create(dsn: str) -> None:
    from storage.migrations import upgrade  # not for the clients' processes, which would take seconds longer to start

    engine = open_engine(dsn, pool_size=1)
    upgrade(engine)
    engine.dispose()
    with psycopg.connect(dsn) as connection:
        connection.execute("create table business (id int primary key, state text, revision int)")
        connection.execute("insert into business select i, 'draft', 0 from generate_series(0, %s) i", (ROWS,))


def _sequencer(dsn: str, directory: Path) -> Sequencer:
    return Sequencer(dsn, directory, SIGNING_KEY, VERIFIER.name, audit_key=AUDIT_KEY, indexed=True)


def _observe(checkpoint: Path, sealed: list[tuple[float, int]], stop: threading.Event) -> None:
    """Note when each checkpoint was first seen, and its size."""
    newest = 0
    while not stop.wait(0.01):
        if checkpoint.exists():
            size = int(checkpoint.read_text().split("\n")[1])
            if size > newest:
                newest = size
                sealed.append((time.time(), size))


def _commits(dsn: str, clients: int, processes: int, seconds: float) -> list[tuple[float, float]]:
    """Begin and end of every committed transaction, in seconds since the epoch."""
    begin = time.time() + 3  # until then every process has connected its clients
    share = clients // processes
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [
            pool.submit(_process, dsn, share, number * share, begin, begin + seconds) for number in range(processes)
        ]
        return [span for future in futures for span in future.result()]


def _process(dsn: str, clients: int, first: int, begin: float, end: float) -> list[tuple[float, float]]:
    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(_client, dsn, first + number, begin, end) for number in range(clients)]
        return [span for future in futures for span in future.result()]


def _client(dsn: str, number: int, begin: float, end: float) -> list[tuple[float, float]]:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=1)
    spans = []
    try:
        with engine.connect():
            time.sleep(max(0.0, begin - time.time()))
        turn = 0
        while (start := time.time()) < end:
            with engine.begin() as connection:
                connection.execute(_CHANGE, {"state": "submitted", "id": (number * 151 + turn) % ROWS})
                append(connection, [event(number * 1_000_000 + turn)], key=AUDIT_KEY)
            spans.append((start, time.time()))
            turn += 1
    finally:
        engine.dispose()
    return spans


def _seal_delays(ends: list[float], sealed: list[tuple[float, int]]) -> list[float]:
    """For each commit, in order: how long until a checkpoint covered that many entries."""
    sizes = [size for _, size in sealed]
    return [sealed[bisect.bisect_left(sizes, place)][0] - end for place, end in enumerate(ends, 1)]


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 2)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }
