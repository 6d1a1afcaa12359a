"""Guessing passwords: ten failures in five minutes for an account and for an address, and a bounded cost of hashing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.app import create_app
from storage import credentials
from storage.composition import Platform, new_id
from storage.credentials import hash_password
from storage.postgres_server import PostgresServer
from storage.repositories.sign_in_limits import bucket_of
from tests.api.browsing import Browsing
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.loopback import calling_from
from tests.fixtures.loops import run_async
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import events, query

PASSWORD = "correct horse battery staple"


class CountedHashes:
    """Passwords that were really checked, by what was checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passwords: list[str] = []
        self._lock, self._busy, self.most_at_once = threading.Lock(), 0, 0
        self._original = credentials._HASHER
        self.hash = self._original.hash
        monkeypatch.setattr(credentials, "_HASHER", self)

    def verify(self, hashed: str, password: str) -> bool:
        with self._lock:
            self.passwords.append(password)
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
        try:
            return bool(self._original.verify(hashed, password))
        finally:
            with self._lock:
                self._busy -= 1


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> CountedHashes:
    return CountedHashes(monkeypatch)


@pytest.fixture(scope="module")
def locking(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("locking") / "home", sign_in_failures=10) as api,
    ):
        yield api


@pytest.fixture(autouse=True)
def forgotten(request: pytest.FixtureRequest) -> None:
    """Each test begins without failures."""
    if "locking" in request.fixturenames:
        query(request.getfixturevalue("locking").registry, "delete from sign_in_limits")


def user(api: ServedApi) -> str:
    return api.registry.person(f"user-{new_id()}", DEVELOPER, password_hash=hash_password(PASSWORD)).name


_addresses = iter(range(1_000_000))


def guess(api: ServedApi, name: str, password: str = "wrong", address: int | None = None) -> httpx.Response:
    """From an address that nobody has used, unless one is named."""
    number = next(_addresses) if address is None else address + 2_000_000
    with calling_from(api.url, number) as client:
        return client.post("/api/v1/auth/login", json={"username": name, "password": password})


def locked(answer: httpx.Response) -> int:
    error = refusal(answer, 429, "TOO_MANY_ATTEMPTS")
    assert set(error["details"]) == {"retryAfter"}
    assert int(answer.headers["retry-after"]) == error["details"]["retryAfter"]
    return int(error["details"]["retryAfter"])


@pytest.mark.parametrize("known", [True, False])
def test_an_account_is_locked_after_ten_failures_from_anywhere(
    locking: ServedApi, hashes: CountedHashes, known: bool
) -> None:
    name = user(locking) if known else f"nobody-{new_id()}"
    for _ in range(10):
        refusal(guess(locking, name), 401, "UNAUTHENTICATED")
    for password in ("wrong", PASSWORD):  # the right one tells no more than a wrong one
        assert 240 < locked(guess(locking, name, password)) <= 300
    assert len(hashes.passwords) == 10
    assert data(guess(locking, user(locking), PASSWORD))["token"], "others sign in"
    bucket = bucket_of("account", name, locking.registry.platform.token_key)
    (event,) = [event for event in events(locking.registry, bucket) if event.action == "sign-in:locked"]
    assert ("userId" in event.details) is known
    assert name not in str(event.to_json()), "what was typed as a name may be a password"


def test_an_address_is_locked_whatever_names_it_tries(locking: ServedApi, hashes: CountedHashes) -> None:
    names = [user(locking) for _ in range(3)]
    for number in range(10):
        refusal(guess(locking, f"nobody-{number}", address=1), 401, "UNAUTHENTICATED")
    locked(guess(locking, names[0], PASSWORD, address=1))
    assert len(hashes.passwords) == 10
    assert data(guess(locking, names[0], PASSWORD, address=2))["token"]


def test_what_succeeds_is_not_counted_and_resets_nothing(locking: ServedApi) -> None:
    name = user(locking)
    for _ in range(9):
        refusal(guess(locking, name, address=3), 401, "UNAUTHENTICATED")
    for _ in range(15):
        assert data(guess(locking, name, PASSWORD, address=3))["token"]
    refusal(guess(locking, name, address=3), 401, "UNAUTHENTICATED")
    locked(guess(locking, name, PASSWORD, address=3))


def test_parallel_guesses_do_not_pass_together(locking: ServedApi, hashes: CountedHashes) -> None:
    name, start = user(locking), threading.Barrier(64)

    def one(_: int) -> int:
        with calling_from(locking.url, next(_addresses)) as client:
            start.wait()
            while True:
                answer = client.post("/api/v1/auth/login", json={"username": name, "password": "wrong"})
                if answer.status_code != 503:  # the queue was full: not an attempt
                    return answer.status_code
                time.sleep(0.02)

    with ThreadPoolExecutor(64) as guessers:
        told = Counter(guessers.map(one, range(64)))
    assert told == {401: 10, 429: 54}
    assert len(hashes.passwords) == 10
    assert hashes.most_at_once <= 2


def test_the_lock_outlives_the_process_and_ends_by_itself(locking: ServedApi, hashes: CountedHashes) -> None:
    name = user(locking)
    for _ in range(10):
        refusal(guess(locking, name), 401, "UNAUTHENTICATED")
    assert 240 < locked(in_another_process(locking, name)) <= 300
    assert len(hashes.passwords) == 10
    later(locking, 290)
    assert locked(in_another_process(locking, name)) <= 10
    later(locking, 10)
    assert data(in_another_process(locking, name))["token"]


def in_another_process(api: ServedApi, name: str) -> httpx.Response:
    """The right password, said to an application that has just started on the same database."""
    fresh = create_app(Platform(api.registry.settings), sequence_audit=False)
    transport = httpx.ASGITransport(fresh, client=("127.200.0.1", 1))

    async def say() -> httpx.Response:
        async with (
            fresh.router.lifespan_context(fresh),
            httpx.AsyncClient(transport=transport, base_url="http://fresh") as client,
        ):
            return await client.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})

    return run_async(say())


def later(api: ServedApi, seconds: int) -> None:
    """All failures happened that much earlier."""
    statement = """update sign_in_limits set failures =
        array(select f - make_interval(secs => %s) from unnest(failures) f order by f)"""
    query(api.registry, statement, seconds)


def test_old_rows_go_in_passing(locking: ServedApi) -> None:
    for number in range(5):
        refusal(guess(locking, f"nobody-{number}"), 401, "UNAUTHENTICATED")
    assert query(locking.registry, "select count(*) from sign_in_limits") == [(10,)]
    query(locking.registry, "update sign_in_limits set expires_at = now() - interval '1 second'")
    refusal(guess(locking, "nobody"), 401, "UNAUTHENTICATED")
    assert query(locking.registry, "select count(*) from sign_in_limits") == [(2,)]


def test_neither_names_nor_addresses_are_stored(locking: ServedApi) -> None:
    refusal(guess(locking, "somebody", address=4), 401, "UNAUTHENTICATED")
    rows = query(locking.registry, "select l::text from sign_in_limits l")
    assert len(rows) == 2
    assert not any(told in str(rows) for told in ("somebody", "127."))


@pytest.mark.parametrize("name", ["", "a\x00b", "\ud800", "ü" * 128, "a b"])
def test_names_that_nobody_can_have_cost_the_same(locking: ServedApi, hashes: CountedHashes, name: str) -> None:
    with calling_from(locking.url, next(_addresses)) as client:
        body = b'{"username": "%s", "password": "x"}' % name.encode("ascii", "backslashreplace")
        answer = client.post("/api/v1/auth/login", content=body.replace(b"\x00", b"\\u0000"))
    if answer.status_code != 400:  # half a character is no text at all
        refusal(answer, 401, "UNAUTHENTICATED")
        assert len(hashes.passwords) == 1


def test_inactive_users_and_users_without_a_password_cost_the_same(locking: ServedApi, hashes: CountedHashes) -> None:
    r, name = locking.registry, user(locking)
    with r.unit() as uow:
        found = uow.people.named(name)
    assert found is not None
    r.change(found.id, active=False)
    without = r.person(f"person-{new_id()}", DEVELOPER).name
    for number, each in enumerate((name, without), 1):
        refusal(guess(locking, each, PASSWORD), 401, "UNAUTHENTICATED")
        assert len(hashes.passwords) == number


def attack(api: ServedApi, hashes: CountedHashes, guesses: int, accounts: int, addresses: int) -> None:
    """Guesses from many addresses at many accounts; ten are evaluated for each account, whoever asks."""
    names = [user(api) for _ in range(accounts)]
    mine = iter(range(guesses))
    lock = threading.Lock()
    told: Counter[tuple[int, str]] = Counter()
    base = next(_addresses) + 10_000
    try:
        clients = [calling_from(api.url, base + number) for number in range(addresses)]
        opened = [client.__enter__() for client in clients]

        def guesser(_: int) -> None:
            while True:
                with lock:
                    number = next(mine, None)
                if number is None:
                    return
                # Every account sees every address, so that neither limit hides the other.
                name, client = names[number % accounts], opened[(number // accounts) % addresses]
                while True:
                    body = {"username": name, "password": f"guess {name}"}
                    answer = client.post("/api/v1/auth/login", json=body)
                    if answer.status_code != 503:
                        break
                    time.sleep(0.005)
                with lock:
                    told[answer.status_code, name] += 1

        with ThreadPoolExecutor(16) as guessers:
            list(guessers.map(guesser, range(16)))
    finally:
        for client in clients:
            client.__exit__(None, None, None)
    by_account = Counter(hashes.passwords)
    assert all(by_account[f"guess {name}"] == 10 for name in names), by_account
    assert sum(told.values()) == guesses
    assert all(told[401, name] == 10 for name in names)
    assert all(status in (401, 429) for status, _ in told)
    assert hashes.most_at_once <= 2


def test_guesses_from_many_addresses_are_throttled(locking: ServedApi, hashes: CountedHashes) -> None:
    attack(locking, hashes, guesses=400, accounts=3, addresses=50)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_ten_thousand_guesses_from_many_addresses_are_throttled(locking: ServedApi, hashes: CountedHashes) -> None:
    attack(locking, hashes, guesses=10_000, accounts=20, addresses=250)


def test_the_page_says_when_to_come_again(locking: ServedApi, hashes: CountedHashes) -> None:
    name = user(locking)
    for _ in range(10):
        refusal(guess(locking, name), 401, "UNAUTHENTICATED")
    with Browsing(locking) as browsing:
        answer = browsing.sign_in(name, PASSWORD)
    assert answer.status_code == 429
    assert 240 < int(answer.headers["retry-after"]) <= 300
    assert "Try again in 5 minutes." in answer.text
    assert len(hashes.passwords) == 10
