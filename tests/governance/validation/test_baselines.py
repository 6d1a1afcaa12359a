"""What versions are held against: pinned when promoted, restored by a rollback, never rolling by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from governance.errors import Duplicate, Forbidden, NotFound
from governance.operations.baselines import add_sample
from governance.operations.calls import IdempotencyKey
from governance.operations.evaluations import create_dataset
from governance.validation.baselines import Baseline, best_of
from tests.fixtures.registry import NOON, RegistryUnderTest
from tests.governance.operations.situations import in_production, query, step, suite, told
from tests.governance.validation.nights import whole_night


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    return registry_under_test


def pins(r: RegistryUnderTest) -> list[tuple[str, bool]]:
    rows = query(
        r,
        "select v.version, b.released_at is null from baselines b join model_versions v on v.id = b.version_id "
        "order by b.pinned_at, b.id",
    )
    return [(version, in_force) for version, in_force in rows]


def test_a_promotion_pins_and_releases(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0", "1.1.0")
    assert pins(r) == [("1.0.0", False), ("1.1.0", True)]
    first, second = told(r, "baseline:pinned")
    assert first.before is None
    assert second.before["outcomes"] == first.after["outcomes"] == "e" * 64
    assert second.details["requestId"] is not None


def test_a_rollback_brings_the_old_pin_back(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0", "1.1.0")
    step(r, model, "1.1.0", "rollback", reason="It is worse.")
    assert pins(r) == [("1.0.0", False), ("1.1.0", False), ("1.0.0", True)]


def test_nights_do_not_move_it(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    for _ in range(3):
        r.later(days=1)
        whole_night(r)
    assert pins(r) == [("1.0.0", True)]


def baseline(version: str, score: float | None, released: timedelta | None) -> Baseline:
    return Baseline(
        id=version,
        model_id="m",
        suite_id="s",
        version_id=version,
        version=version,
        suite_digest="x",
        dataset_sha256="d",
        outcomes_sha256="o",
        score=score,
        request_id=None,
        pinned_at=NOON - timedelta(days=200),
        released_at=NOON - released if released is not None else None,
    )


def test_the_guard_looks_for_the_best_of_ninety_days() -> None:
    now = baseline("now", 0.90, None)
    old, recent = baseline("old", 0.99, timedelta(days=91)), baseline("recent", 0.92, timedelta(days=80))
    worse, unknown = baseline("worse", 0.85, timedelta(days=1)), baseline("unknown", None, timedelta(days=1))
    assert best_of((now, old, recent, worse, unknown), now, NOON, lower_is_better=False) is recent
    assert best_of((now, old, worse), now, NOON, lower_is_better=False) is None
    assert best_of((now, recent, worse), now, NOON, lower_is_better=True) is worse


def dataset(r: RegistryUnderTest, name: str, group: str = "lab") -> str:
    return create_dataset(r.unit(), r.call(r.dev), name=name, group=group, kind="csv", sha256=name[0] * 64, size=10)


def test_newer_samples_of_a_suite(r: RegistryUnderTest) -> None:
    model = r.model()
    it = suite(r, model)
    first, second = dataset(r, "a-sample"), dataset(r, "b-sample")
    assert add_sample(r.unit(), r.call(r.dev), suite_id=it, dataset_id=first) == 1
    key = IdempotencyKey.of("k", second)
    assert add_sample(r.unit(), r.call(r.dev, idempotency=key), suite_id=it, dataset_id=second) == 2
    assert add_sample(r.unit(), r.call(r.dev, idempotency=key), suite_id=it, dataset_id=second) == 2
    with pytest.raises(Duplicate):
        add_sample(r.unit(), r.call(r.dev), suite_id=it, dataset_id=first)
    with r.unit() as uow:
        assert uow.baselines.newest_sample(it) == (second, "b" * 64, "csv")
    assert len(told(r, "suite:sampled")) == 2


def test_who_may_give_one(r: RegistryUnderTest) -> None:
    it = suite(r, r.model())
    data = dataset(r, "a-sample")
    viewer = r.person("vera", ())
    with pytest.raises((Forbidden, NotFound)):
        add_sample(r.unit(), r.call(viewer), suite_id=it, dataset_id=data)
    assert query(r, "select count(*) from suite_samples") == [(0,)]
