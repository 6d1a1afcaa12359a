"""Live counts on real tables: exact under concurrency, once under a key, and there after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import orjson
import pytest

from flows.gathering.drift import drift_report
from governance.drift.observations import MOST_OBSERVATIONS
from governance.errors import Forbidden, InvalidInput, NoDriftReference, NotFound
from governance.operations import drift
from governance.operations.calls import IdempotencyKey
from storage.composition import Platform
from tests.fixtures.drift import pinned_version, traffic
from tests.fixtures.registry import DEVELOPER, RegistryUnderTest
from tests.governance.operations.situations import query


def test_counts_are_exact_whoever_adds_meanwhile(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, reference = pinned_version(r)
    batches = [orjson.dumps(traffic(30, seed=seed)) for seed in range(40)]

    def send(body: bytes) -> None:
        drift.record(r.unit(), r.call(r.dev), model, version, body)

    with ThreadPoolExecutor(8) as senders:
        list(senders.map(send, batches))
    with r.unit() as uow:
        live = uow.drift.between(version, r.at - timedelta(hours=1), r.at + timedelta(hours=1))
    everything = [one["inputs"] for body in batches for one in orjson.loads(body)]
    for position, sketch in enumerate(reference.sketches):
        assert live.by_position[position] == sketch.count(one.get(sketch.name) for one in everything)
    assert (live.observations, live.unknown) == (1200, 0)


def test_a_repeated_call_counts_once_also_when_both_come_at_once(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    body = orjson.dumps([{"inputs": {"age": 1, "nobody knows": 2}}])

    def send(_: int) -> drift.Recorded:
        call = r.call(r.dev, idempotency=IdempotencyKey.of("one", body.decode()))
        return drift.record(r.unit(), call, model, version, body)

    with ThreadPoolExecutor(4) as senders:
        answers = set(senders.map(send, range(8)))
    assert answers == {drift.Recorded(1, 1)}
    assert query(r, "select counts from live_sketches where position = -1") == [([1, 1],)]


def test_drift_is_found_after_a_restart(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    drift.record(r.unit(), r.call(r.dev), model, version, orjson.dumps(traffic(400)))
    before = drift_report(r.platform, version, r.at - timedelta(days=1), r.at + timedelta(hours=1))
    assert before is not None
    assert before.verdict == "stable"
    drift.record(r.unit(), r.call(r.dev), model, version, orjson.dumps(traffic(1200, seed=2, older=20)))
    again = Platform(r.settings)
    try:
        after = drift_report(again, version, r.at - timedelta(days=1), r.at + timedelta(hours=1))
    finally:
        again.close()
    assert after is not None
    assert [one.feature for one in after.drifted] == ["age"]
    assert (after.verdict, after.severity, after.observations) == ("drift", "severe", 1600)


def test_hours_outside_of_the_span_do_not_count(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    for hours in (0, 1, 48):
        at = (r.at - timedelta(hours=hours)).isoformat()
        drift.record(r.unit(), r.call(r.dev), model, version, orjson.dumps([{"inputs": {}, "at": at}]))
    with r.unit() as uow:
        assert uow.drift.between(version, r.at - timedelta(hours=1), r.at).observations == 1
        assert uow.drift.between(version, r.at - timedelta(days=3), r.at + timedelta(hours=1)).observations == 3


def test_no_value_is_stored(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    secret = {"inputs": {"age": 77.125, "region": "Anna Schmidt", "diagnosis of Anna": "F32"}, "prediction": "Anna"}
    drift.record(r.unit(), r.call(r.dev), model, version, orjson.dumps([secret]))
    for table in ("live_sketches", "drift_references", "audit_outbox", "events"):
        told = str(query(r, f"select t::text from {table} t"))
        assert not any(word in told for word in ("77.125", "Anna", "F32")), table


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"  ", b"{", b"[1]", b"null", b'"x"', b"[{}]", b'[{"inputs": []}]', b'[{"inputs": null}]',
        b'[{"inputs": {"age": NaN}}]', b'[{"inputs": {"age": Infinity}}]', b'[{"inputs": {}, "extra": 1}]',
        b'[{"inputs": {}, "at": "yesterday"}]', b'[{"inputs": {}, "at": 7}]', b'[{"inputs": {}, "at": "2026-03-02"}]',
        b'[{"inputs": {}, "at": "2026-03-02T12:00:00"}]', b'[{"inputs": {}, "at": "2020-03-02T12:00:00Z"}]',
        b'[{"inputs": {}, "at": "2026-03-02T13:00:00Z"}]', b'[{"inputs": {}, "at": "9999-12-31T23:59:59-23:59"}]',
        b'{"inputs": {}}\n{"inputs": }', b'{"inputs": {}}\n{"inputs": {}}\n7', b"\xff\xfe", b"[" * 100_000,
        b"[" + b'{"inputs":{}},' * MOST_OBSERVATIONS + b'{"inputs":{}}]', b'{"inputs":{}}\n' * (MOST_OBSERVATIONS + 1),
        b'[{"inputs": {"age": 1}}, {"inputs": 1}]',
    ],
)  # fmt: skip
def test_bad_bodies_are_refused_whole(registry_under_test: RegistryUnderTest, body: bytes) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    with pytest.raises(InvalidInput):
        drift.record(r.unit(), r.call(r.dev), model, version, body)
    assert query(r, "select count(*) from live_sketches") == [(0,)]


@pytest.mark.parametrize(
    ("inputs", "unknown"),
    [
        ({f"f{number}": number for number in range(10_000)}, 10_000),
        ({"age": "x" * 1_000_000, "region": "y" * 1_000_000}, 0),
        ({"age": 10**300, "income": -(10**300), "region": [], "active": {}}, 0),
        ({"": 1, "\u0000": 2, "age": True}, 2),
    ],
)
def test_hostile_values_are_counted_and_take_no_room(
    registry_under_test: RegistryUnderTest, inputs: dict[str, object], unknown: int
) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    body = orjson.dumps([{"inputs": {k: v for k, v in inputs.items() if not isinstance(v, int) or abs(v) < 2**63}}])
    found = drift.record(r.unit(), r.call(r.dev), model, version, body)
    assert found == drift.Recorded(1, unknown)
    assert query(r, "select count(*) from live_sketches") == [(5,)]
    assert query(r, "select max(pg_column_size(counts)) < 500 from live_sketches") == [(True,)]


def test_one_object_over_several_lines_and_ndjson(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    for body, n in ((b'{\n "inputs":\n {"age": 4}\n}\n', 1), (b'{"inputs": {}}\r\n\n{"inputs": {}}\r\n', 2)):
        assert drift.record(r.unit(), r.call(r.dev), model, version, body).observations == n


def test_who_may_record(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model, version, _ = pinned_version(r)
    body = b'{"inputs": {}}'
    with pytest.raises(Forbidden):
        drift.record(r.unit(), r.call(r.grace), model, version, body)
    with pytest.raises(NotFound):
        drift.record(r.unit(), r.call(r.person("olga", DEVELOPER, "elsewhere")), model, version, body)
    bare = r.version(model, "2.0.0", weights=None)
    with pytest.raises(NoDriftReference):
        drift.record(r.unit(), r.call(r.dev), model, bare, body)
    assert query(r, "select count(*) from live_sketches") == [(0,)]
