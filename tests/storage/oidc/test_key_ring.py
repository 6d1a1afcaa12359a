"""Keys as they are now: rotated without a restart, asked for sparingly, kept through a short outage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance.errors import AuthenticationFailed, DependencyUnavailable
from storage.oidc.key_ring import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, usable_keys
from tests.fixtures.loops import run_async
from tests.storage.oidc.conftest import Trusted, trusting
from tests.storage.oidc.issuing import KEYS, Issuer, SigningKey, issuing

AWAY: tuple[int, dict[str, str], bytes] = (503, {}, b"")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def fresh(shared_issuer: Issuer, clock: Clock, tmp_path: Path) -> Trusted:
    shared_issuer.asked.clear()
    shared_issuer.publish("rsa", "ec")
    return trusting(shared_issuer, tmp_path, clock=clock)


def accepted(trusted: Trusted, key: str) -> bool:
    try:
        trusted.access(trusted.issuer.token(trusted.issuer.claims(), key=key))
    except AuthenticationFailed:
        return False
    return True


def test_many_tokens_cost_one_look(fresh: Trusted) -> None:
    assert all(accepted(fresh, key) for key in ("rsa", "ec") * 10)
    assert fresh.issuer.count(KEYS) == 1


def test_a_new_key_is_found_and_the_old_one_is_gone(fresh: Trusted, clock: Clock) -> None:
    assert accepted(fresh, "rsa")
    fresh.issuer.publish("next")
    clock.seconds += PAUSE_SECONDS
    assert accepted(fresh, "next")
    assert not accepted(fresh, "rsa")
    assert fresh.issuer.count(KEYS) == 2


def test_a_withdrawn_key_ends_without_a_new_one(fresh: Trusted, clock: Clock) -> None:
    assert accepted(fresh, "rsa")
    fresh.issuer.publish("ec")
    assert accepted(fresh, "rsa"), "known for five minutes"
    clock.seconds += FRESH_SECONDS + 1
    assert not accepted(fresh, "rsa")


def test_made_up_key_ids_cause_one_look_in_the_pause(fresh: Trusted, clock: Clock) -> None:
    assert accepted(fresh, "rsa")
    for _ in range(10):
        clock.seconds += PAUSE_SECONDS / 5
        assert not accepted(fresh, "hidden")
    assert fresh.issuer.count(KEYS) <= 1 + 2
    assert accepted(fresh, "rsa")


def test_a_crowd_at_the_first_moment_is_one_look(fresh: Trusted) -> None:
    token = fresh.issuer.token(fresh.issuer.claims())

    async def crowd() -> list[Any]:
        from storage.composition import now

        return await asyncio.gather(*(fresh.provider.judge_access_token(token, at=now()) for _ in range(30)))

    assert len(run_async(crowd())) == 30
    assert fresh.issuer.count(KEYS) == 1


def test_known_keys_outlast_a_short_outage(fresh: Trusted, clock: Clock) -> None:
    assert accepted(fresh, "rsa")
    fresh.issuer.documents[KEYS] = AWAY
    clock.seconds += FRESH_SECONDS + 1
    assert accepted(fresh, "rsa")
    with pytest.raises(DependencyUnavailable):  # cannot be judged, so it is not called a forgery
        accepted(fresh, "next")
    asked = fresh.issuer.count(KEYS)
    for _ in range(20):
        assert accepted(fresh, "rsa")
    assert fresh.issuer.count(KEYS) == asked, "an outage is not made worse by asking"
    clock.seconds += STALE_SECONDS
    with pytest.raises(DependencyUnavailable):
        accepted(fresh, "rsa")
    fresh.issuer.publish("rsa")
    clock.seconds += PAUSE_SECONDS
    assert accepted(fresh, "rsa")


def test_keys_that_are_not_for_this_are_passed_over() -> None:
    rsa, ec = SigningKey("a", "RS256").public, SigningKey("b", "ES256").public
    weak = SigningKey("c", "RS256", bits=1024).public
    keys: list[Any] = [
        rsa,
        ec,
        weak,
        {**rsa, "use": "enc"},
        {**rsa, "key_ops": ["encrypt"]},
        {**rsa, "n": "!"},
        {**rsa, "n": 1},
        {**ec, "x": ec["y"], "y": ec["x"]},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "d"},
        {"kty": ["RSA"]},
        {"kty": "AKP"},
        "rsa",
        None,
    ]
    assert [stated["kid"] for stated, _ in usable_keys({"keys": keys})] == ["a", "b"]


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": [{}] * 101}])
def test_what_is_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(DependencyUnavailable):
        usable_keys(document)


def test_two_keys_of_one_id_are_neither(fresh: Trusted, clock: Clock) -> None:
    double = {**fresh.issuer.keys["hidden"].public, "kid": "rsa"}
    fresh.issuer.documents[KEYS] = {"keys": [fresh.issuer.keys["rsa"].public, double]}
    assert not accepted(fresh, "rsa")
