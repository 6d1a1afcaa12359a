"""Reading a large audit log: pages, searches and proofs as people ask for them, and the whole of it as an export."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.audit.entry import draft
from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.filters import EntryFilter
from storage.audit_log.exporting import Export, Form
from storage.audit_log.proving import prove_inclusion
from storage.audit_log.running import sequencer_of
from storage.composition import new_id, open_engine
from storage.migrations import upgrade
from storage.postgres_server import start
from storage.queries import history
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling
from tests.fixtures.postgres import fresh_database, temporary_home
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import RegistryUnderTest

SEARCHED = 200_000
MODELS = 50
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def measure(telling: Telling, *, quick: bool) -> Findings:
    exported = SEARCHED if quick else 1_000_000
    with temporary_home() as home, fresh_database(start(home)) as url:
        return _measured(telling, url, home / "platform", exported, rounds=20 if quick else 50)


def _measured(telling: Telling, url: str, home: Path, exported: int, rounds: int) -> Findings:
    engine = open_engine(url, pool_size=1)
    upgrade(engine)
    engine.dispose()
    with opened_registry(url, home) as r:
        models = [r.model() for _ in range(MODELS)]
        figures: dict[str, Any] = {"entriesPerSecondIndexed": _fill(telling, r, models, SEARCHED)}
        telling.phase("listing and searching", rounds)
        figures["milliseconds"] = asyncio.run(_reading(url, r.admin, models, rounds, telling))
        telling.phase("proving")
        started = time.perf_counter()
        prove_inclusion(r.platform, SEARCHED // 2)
        figures["proofMilliseconds"] = round((time.perf_counter() - started) * 1000, 1)
        if exported > SEARCHED:
            _fill(telling, r, models, exported - SEARCHED)
        for form in ("ndjson", "csv"):
            telling.phase(f"exporting as {form}")
            figures[form] = asyncio.run(_exporting(url, r.admin, form))
    slowest = max(found["p95"] for name, found in figures["milliseconds"].items() if name != "text")
    return Findings(
        figures,
        [
            Goal(f"page of {SEARCHED:,} entries, slowest kind, p95", slowest, "at most", 200, "ms"),
            Goal(
                "memory for an export",
                figures["ndjson"]["memoryGrowthBytes"] / 1e6,
                "at most",
                100,
                "MB",
            ),
        ],
        {
            "exported as NDJSON": f"{figures['ndjson']['entriesPerSecond']:,} per second",
            "exported as CSV": f"{figures['csv']['entriesPerSecond']:,} per second",
            "text search": f"{figures['milliseconds']['text']['p50']} ms",
            "proof": f"{figures['proofMilliseconds']} ms",
        },
    )


def _events(models: list[str], first: int, count: int) -> Iterator[AuditEvent]:
    actions = ("version:metadata:changed", "request:approved", "artifact:attached", "version:created")
    for number in range(first, first + count):
        yield AuditEvent(
            id=new_id(),
            at=FIRST + timedelta(seconds=number * 30),
            actor=Actor("user", f"user-{number % 200}", f"Person {number % 200}"),
            action=actions[number % len(actions)],
            subject=Subject("version", f"subject-{number % 1000}"),
            request_id=f"request-{number}",
            after={"modelId": models[number % len(models)], "number": number},
            details={"remark": f"remark number {number}, as somebody might have written it"},
        )


def _fill(telling: Telling, r: RegistryUnderTest, models: list[str], count: int) -> int:
    """Entries a second, from the outbox through log and index."""
    telling.phase(f"writing {count:,} entries")
    with (
        psycopg.connect(r.settings.database_url) as connection,
        connection.cursor() as cursor,
        cursor.copy("copy audit_outbox (entry, leaf, mac) from stdin (format binary)") as copy,
    ):
        copy.set_types(["text", "bytea", "bytea"])
        for event in _events(models, 0, count):
            copy.write_row(draft(event, r.platform.audit_key))
    started = time.perf_counter()
    sequencer_of(r.platform).drain(timeout=900)
    taken = time.perf_counter() - started
    with psycopg.connect(r.settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return round(count / taken)


async def _reading(
    url: str, caller: Principal, models: list[str], rounds: int, telling: Telling
) -> dict[str, dict[str, float]]:
    def asked(number: int) -> dict[str, dict[str, Any]]:
        month = FIRST + timedelta(days=number % 60)
        return {
            "newest": {},
            "actor": {"actor": f"user-{number % 200}"},
            "model": {"modelId": models[number % len(models)]},
            "action": {"action": "request:"},
            "subject": {"subjectKind": "version", "subjectId": f"subject-{number}"},
            "time": {"from": month.isoformat(), "to": (month + timedelta(days=1)).isoformat()},
            "request": {"requestId": f"request-{number * 997}"},
            "actor and time": {"actor": f"user-{number}", "from": month.isoformat()},
            "text": {"text": f"remark number {number * 997},"},
        }

    taken: dict[str, list[float]] = {}
    async with AsyncConnectionPool(url, min_size=1, max_size=1, kwargs={"autocommit": True}, open=False) as pool:
        for number in range(rounds):
            for name, filters in asked(number).items():
                if name == "text" and number >= 5:
                    continue
                where = history.narrowed(history.seen_entries(caller, history.AUDIT, history.AUDIT), _filter(filters))
                taken.setdefault(name, []).append(await _timed(_page(pool, where)))
            telling.step()
    return {name: spread(values, 1) for name, values in taken.items()}


def _filter(asked: dict[str, Any]) -> EntryFilter:
    return EntryFilter.read(asked)


def _page(pool: AsyncConnectionPool, where: Any) -> Callable[[], Awaitable[Any]]:
    return lambda: history.entries(pool, where, history.EntryPage())


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


async def _exporting(url: str, caller: Principal, form: Form) -> dict[str, Any]:
    where = history.seen_entries(caller, history.AUDIT, history.AUDIT)
    export = Export(url, where, form, None)
    await export.open()
    process = psutil.Process()
    before, most, size, last = process.memory_info().rss, 0, 0, b""
    chunks: list[int] = []
    started = time.perf_counter()
    async for chunk in export.chunks():
        size += len(chunk)
        chunks.append(len(chunk))
        most = max(most, process.memory_info().rss)
        last = chunk
    taken = time.perf_counter() - started
    entries = int(last.decode().split('"entries": ')[1].split(",")[0]) if form == "ndjson" else int(last.split(b",")[1])
    return {
        "entries": entries,
        "bytes": size,
        "entriesPerSecond": round(entries / taken),
        "memoryGrowthBytes": max(0, most - before),
        "chunkBytes": round(statistics.median(chunks)),
    }
