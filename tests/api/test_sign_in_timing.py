"""Whether a name is known can be read neither from the answer nor from the time that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from scipy import stats
from sqlalchemy import Connection, Engine, event

from api import signing_in
from storage import credentials
from storage.composition import Platform, new_id
from storage.credentials import hash_password
from storage.repositories.sign_in_limits import bucket_of
from tests.api.served import ServedApi
from tests.fixtures.registry import DEVELOPER, RegistryUnderTest

PAIRS = 5_000


def attempt(platform: Platform, name: str, address: str = "127.0.0.1") -> None:
    buckets = [bucket_of(kind, value, platform.token_key) for kind, value in (("account", name), ("address", address))]
    found, _ = signing_in._checked(platform, name, "wrong", sorted(buckets), "test")
    assert found is None


def person(registry: RegistryUnderTest, *, active: bool = True, password: bool = True) -> str:
    name = f"user-{new_id()}"
    hashed = hash_password("correct horse battery staple") if password else None
    user = registry.person(name, DEVELOPER, password_hash=hashed)
    if not active:
        registry.change(user.id, active=False)
    return name


@contextmanager
def told_to(engine: Engine) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile."""
    statements: list[str] = []

    def note(_: Connection, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_every_kind_of_name_takes_the_same_statements_and_the_same_hash(
    api: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Noting:
        def verify(self, hashed: str, password: str) -> bool:
            checked.append(hashed.rsplit("$", 2)[0])  # algorithm and cost
            return original.verify(hashed, password)

    names = {
        "known": person(api.registry),
        "unknown": f"nobody-{new_id()}",
        "inactive": person(api.registry, active=False),
        "without a password": person(api.registry, password=False),
        "impossible": "a\x00b",
        "no Unicode": "\ud800",
        "empty": "",
    }
    original = credentials._HASHER
    monkeypatch.setattr(credentials, "_HASHER", Noting())
    traces = {}
    for number, (kind, name) in enumerate(names.items()):
        checked.clear()
        with told_to(api.registry.platform.engine) as statements:
            attempt(api.registry.platform, name, f"127.3.0.{number}")
        traces[kind] = (tuple(statements), tuple(checked))
    assert len(traces["known"][0]) >= 3
    assert len(traces["known"][1]) == 1
    assert set(traces.values()) == {traces["known"]}, traces


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_known_and_unknown_names_cannot_be_told_apart_by_time(
    api: ServedApi,
) -> None:
    """Mann-Whitney on 5,000 interleaved pairs; each half of a pair is first as often as the other.

    One run in a hundred fails by chance alone, so the suspicion has to repeat itself: false alarms are 1 in 10,000.
    """
    unlocked = replace(api.registry.settings, sign_in_window_seconds=1)
    platform = Platform(unlocked)
    try:
        assert any(_p_value(api.registry, platform) > 0.01 for _ in range(2))
    finally:
        platform.close()


def _p_value(registry: RegistryUnderTest, platform: Platform) -> float:
    known, unknown = person(registry), f"user-{new_id()}"  # names of one length
    seconds: dict[str, list[float]] = {known: [], unknown: []}
    for number in range(PAIRS):
        for name in (known, unknown) if number % 2 else (unknown, known):
            start = time.perf_counter()
            attempt(platform, name)
            seconds[name].append(time.perf_counter() - start)
    return float(stats.mannwhitneyu(seconds[known], seconds[unknown]).pvalue)
