"""Merging rows changes no figure: whenever it comes, whatever dies, whoever writes or merges at the same time."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from governance.monitoring.points import Tally, tallied
from governance.monitoring.windows import Span, start_of
from governance.operations.inferences import Report, record
from storage.composition import new_id
from storage.metrics import compaction
from storage.metrics.compaction import compact, compact_repeated
from storage.metrics.reading import COLUMNS, merged, nightly_latency
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query


def version_of(r: RegistryUnderTest) -> tuple[str, str]:
    """(model, version)."""
    model = r.model()
    return model, r.version(model, weights=None)


def report(r: RegistryUnderTest, ids: tuple[str, str], points: list[dict[str, Any]], at: datetime) -> None:
    call = r.call(r.dev)
    (refusal,) = record(r.unit(), [Report(call, *ids, ids[1], tallied(points, at))])
    assert refusal is None


def total(r: RegistryUnderTest, version: str) -> Tally:
    with r.platform.engine.connect() as connection:
        statement = f"select {COLUMNS} from inference_sketches where version_id = %s"
        return merged(connection.exec_driver_sql(statement, (version,)).fetchall())


def rows(r: RegistryUnderTest, version: str) -> list[tuple[str, int]]:
    statement = """select span, count(*) from inference_sketches where version_id = %s group by span order by span"""
    return [(str(span), int(count)) for span, count in query(r, statement, version)]


def a_history(r: RegistryUnderTest, ids: tuple[str, str], days: int = 40) -> Tally:
    """Some reports an hour, each with its own clock; what they come to."""
    numbers, wanted = random.Random(days), Tally()
    for hours in range(0, 24 * days, 7):
        for minute in (3, 3, 40):
            at = r.at - timedelta(hours=hours) + timedelta(minutes=minute - 59)
            points = [
                {"timing_ms": numbers.lognormvariate(4, 1), "success": numbers.random() < 0.9}
                for _ in range(numbers.randint(1, 9))
            ]
            report(r, ids, points, at)
            for tally in tallied(points, at).values():
                wanted.merge(tally)
    return wanted


def test_old_spans_become_longer_ones_and_no_figure_changes(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    ids = version_of(r)
    wanted = a_history(r, ids)
    assert total(r, ids[1]) == wanted
    before = rows(r, ids[1])
    done = compact(r.platform.engine, r.at)
    assert done.rows > 0
    assert total(r, ids[1]) == wanted, "to the last nanosecond"
    after = dict(rows(r, ids[1]))
    assert sum(after.values()) < sum(count for _, count in before) / 2
    assert after.keys() == {"minute", "hour", "day"}
    assert compact(r.platform.engine, r.at) == (0, 0), "all is done"
    compact(r.platform.engine, r.at + timedelta(days=90))
    assert dict(rows(r, ids[1])).keys() == {"day"}
    assert total(r, ids[1]) == wanted
    (sums,) = query(r, "select points, successes, sum_ns from inference_totals where version_id = %s", ids[1])
    assert (sums[0], sums[1], int(sums[2])) == (wanted.points, wanted.successes, wanted.sum_ns)


def test_a_merge_that_dies_leaves_everything(
    shared_registry: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    r = shared_registry
    ids = version_of(r)
    wanted = a_history(r, ids, days=3)
    before = rows(r, ids[1])
    with monkeypatch.context() as broken:
        broken.setattr(compaction, "_DROP", "select pg_terminate_backend(pg_backend_pid()), %(ids)s::uuid[]")
        with pytest.raises(Exception, match="terminating connection"):
            compact(r.platform.engine, r.at)
    assert rows(r, ids[1]) == before
    assert total(r, ids[1]) == wanted
    compact(r.platform.engine, r.at)
    assert total(r, ids[1]) == wanted


def test_everybody_at_once(shared_registry: RegistryUnderTest) -> None:
    """Writers, mergers and a reader; at no moment is a committed report missing or counted twice."""
    r = shared_registry
    ids = version_of(r)
    done, seen = threading.Event(), []

    def write(number: int) -> None:
        for turn in range(40):
            report(r, ids, [{"timing_ms": number + turn}] * 3, r.at - timedelta(minutes=turn % 3))

    def merge() -> None:
        while not done.is_set():
            compact_repeated(r.platform.engine, ids[1])
            compact(r.platform.engine, r.at + timedelta(hours=9))

    def read() -> None:
        while not done.is_set():
            seen.append(total(r, ids[1]).points)

    with ThreadPoolExecutor(8) as threads:
        others = [threads.submit(merge), threads.submit(merge), threads.submit(read)]
        for writer in [threads.submit(write, number) for number in range(4)]:
            writer.result()
        done.set()
        for other in others:
            other.result()
    assert total(r, ids[1]).points == 4 * 40 * 3
    assert seen == sorted(seen)
    compact(r.platform.engine, r.at + timedelta(hours=9))
    assert rows(r, ids[1]) == [("hour", 1)] or rows(r, ids[1]) == [("hour", 2)]


def test_many_rows_of_a_minute_become_one(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    ids, other = version_of(r), version_of(r)
    for number in range(20):
        report(r, ids, [{"timing_ms": number}], r.at)
    report(r, other, [{"timing_ms": 1}], r.at)
    report(r, other, [{"timing_ms": 1}], r.at)
    wanted = total(r, ids[1])
    assert compact_repeated(r.platform.engine, ids[1]) == (1, 19)
    assert (rows(r, ids[1]), rows(r, other[1])) == ([("minute", 1)], [("minute", 2)])
    assert total(r, ids[1]) == wanted


def test_the_nights_latency_of_many_versions(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    first, second, silent = version_of(r), version_of(r), version_of(r)
    night = start_of(Span.HOUR, r.at)
    report(r, first, [{"timing_ms": value} for value in range(1, 101)], night)
    report(r, first, [{"timing_ms": 9_999}], night - timedelta(minutes=1))
    report(r, second, [{"timing_ms": 7}] * 3, night + timedelta(minutes=59))
    report(r, second, [{"timing_ms": 9_999}], night + timedelta(hours=1))
    versions = [first[1], second[1], silent[1], new_id()]
    with r.platform.engine.connect() as connection:
        found = nightly_latency(connection, versions, night, night + timedelta(hours=1))
    assert found.keys() == {first[1], second[1]}
    n, p50, p95 = found[first[1]]
    assert n == 100
    assert [p50, p95] == pytest.approx([50, 95], rel=0.01)
    assert found[second[1]] == (3, 7.0, 7.0)
