"""Calls per minute, per address and per principal; and which address a call comes from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.addresses import client_address, networks
from api.rates import MOST_KEYS, WINDOW, RateLimit
from storage.postgres_server import PostgresServer
from storage.settings import SettingsError
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.loopback import calling_from
from tests.fixtures.postgres import fresh_database


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(
    limit=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 90, allow_nan=False), max_size=60),
)
def test_no_window_of_a_minute_holds_twice_the_limit_and_waiting_helps(limit: int, pauses: list[float]) -> None:
    clock = Clock()
    rate, allowed = RateLimit(limit, clock), []
    for pause in pauses:
        clock.now += pause
        exceeded = rate.hit("a")
        if exceeded is None:
            allowed.append(clock.now)
        else:
            assert 1 <= exceeded.retry_after <= 2 * WINDOW
            clock.now += exceeded.retry_after
            assert rate.hit("a") is None, "who waits as long as they were told is admitted"
            allowed.append(clock.now)
    for start in allowed:
        assert sum(start <= at < start + WINDOW for at in allowed) < 2 * limit + 1


def test_the_limit_is_exact_within_a_minute_and_everybody_has_their_own() -> None:
    clock = Clock()
    rate = RateLimit(5, clock)
    assert [rate.hit("a") is None for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.hit("b") is None
    exceeded = rate.hit("a")
    assert exceeded is not None
    assert exceeded.headers == {
        "Retry-After": "60",
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
    }
    clock.now += 2 * WINDOW
    assert [rate.hit("a") is None for _ in range(6)] == [True] * 5 + [False]


def test_no_limit_remembers_nobody() -> None:
    rate = RateLimit(0)
    assert all(rate.hit(str(number)) is None for number in range(100))
    assert not rate._now


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    clock = Clock()
    rate = RateLimit(5, clock)
    told = [rate.hit(str(number)) is None for number in range(MOST_KEYS + 10)]
    assert told == [True] * (MOST_KEYS + 5) + [False] * 5
    assert len(rate._now) == MOST_KEYS + 1
    assert rate.hit("17") is None, "whoever was known before is counted apart"


# --- addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", [], "", "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "", "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "10.0.0.0/8", "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "10.0.0.0/8", "2001:db8::/64"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, rubbish"], "10.0.0.0/8", "unknown"),
        ("10.0.0.1", [], "10.0.0.0/8", "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "10.0.0.0/8", "198.51.100.7"),
        ("2001:db8::1", [], "", "2001:db8::/64"),
        ("2001:db8::ffff:0:1", [], "", "2001:db8::/64"),
        ("2001:db8:0:1::1", [], "", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", [], "", "fe80::/64"),
        ("::ffff:192.0.2.1", [], "", "192.0.2.1"),
        (None, [], "10.0.0.0/8", "unknown"),
    ],
)
def test_whose_address_counts(peer: str | None, forwarded: list[str], trusted: str, expected: str) -> None:
    scope = {
        "client": (peer, 1) if peer else None,
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
    }
    assert client_address(scope, networks(trusted)) == expected


def test_networks_that_are_none() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        networks("10.0.0.0/8, everybody")


# --- over HTTP --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(
            url,
            tmp_path_factory.mktemp("limited") / "home",
            rate_per_principal=10,
            rate_per_address=25,
            trusted_proxies="127.99.0.0/16",
        ) as api,
    ):
        yield api


def test_an_address_is_refused_whoever_calls(limited: ServedApi) -> None:
    with calling_from(limited.url, 1) as client:
        told = [client.get("/api/v1/auth/me").status_code for _ in range(27)]
        assert told == [401] * 25 + [429] * 2
        answer = client.get("/api/v1/auth/me", headers={"X-Forwarded-For": "198.51.100.7"})
        error = refusal(answer, 429, "RATE_LIMITED")
        assert int(answer.headers["retry-after"]) == error["details"]["retryAfter"] <= 60
        assert answer.headers["ratelimit-remaining"] == "0"
        assert answer.headers["x-frame-options"] == "DENY"
        assert {client.get(path).status_code for path in ("/health", "/ready")} == {200}
    with calling_from(limited.url, 2) as client:
        assert client.get("/api/v1/auth/me").status_code == 401


def test_a_principal_is_refused_wherever_they_call_from(limited: ServedApi) -> None:
    token = {"Authorization": f"Bearer {limited.tokens['grace']}"}
    told = []
    for number in (3, 4, 5):
        with calling_from(limited.url, number, **token) as client:
            told += [client.get("/api/v1/auth/me").status_code for _ in range(4)]
    assert told == [200] * 10 + [429] * 2
    with calling_from(limited.url, 6, **token) as client:
        answer = client.get("/api/v1/auth/me")
        refusal(answer, 429, "RATE_LIMITED")
        assert answer.headers["retry-after"]
    with calling_from(limited.url, 6, Authorization=f"Bearer {limited.tokens['alan']}") as client:
        assert data(client.get("/api/v1/auth/me"))["name"] == "alan"
