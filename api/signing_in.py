"""Signing in with a password: counted before it is checked, checked two at a time, within a budget of CPU.

What protects what:

- The account and the address are protected by a lock that PostgreSQL keeps (`storage.repositories.sign_in_limits`).
- The machine is protected by `SignInGate`: two attempts at a time, a short queue, and a budget of CPU time for
  hashing. Whoever comes when the queue is full or the budget is spent is refused at once with 503 SIGN_IN_BUSY.
- Locked accounts and addresses are remembered here for a moment, so that a flood of guesses costs no statement.

Known and unknown names, inactive users and users without a password take the same statements and the same hash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from governance.access.principal import Principal
from governance.errors import AuthenticationFailed, SignInBusy, TooManyAttempts
from governance.operations import sign_ins, tokens
from governance.operations.calls import Call
from governance.operations.tokens import Wanted
from governance.people import NewToken
from storage.composition import Platform, new_id, now
from storage.credentials import new_token, password_matches, token_mac
from storage.repositories.sign_in_limits import bucket_of
from storage.settings import Settings

SLOTS = 2
QUEUE = 16  # who waits for a slot; at 25 ms each the last one waits for 0.2 s
BURST_SECONDS = 5.0  # of CPU, saved up while nobody signs in
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000


class SignInGate:
    """Of one process; used on its event loop only."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = settings.sign_in_cpu_percent / 100
        self._clock = clock
        self._slots = asyncio.Semaphore(SLOTS)
        self._inside = 0
        self._saved = BURST_SECONDS
        self._at = clock()
        self._locked: dict[str, tuple[float, float]] = {}  # until when remembered, until when locked

    async def __aenter__(self) -> SignInGate:
        """Wait for a slot. Raises SignInBusy instead of waiting long."""
        if self._inside >= SLOTS + QUEUE:
            raise SignInBusy("Too many people are signing in at once.", details={"retryAfter": 1})
        if self._share and self._balance() <= 0:
            wait = max(1, ceil(-self._saved / self._share))
            raise SignInBusy("Too many people have signed in of late.", details={"retryAfter": wait})
        self._inside += 1
        try:
            await self._slots.acquire()
        except BaseException:
            self._inside -= 1
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        self._slots.release()

    def spend(self, seconds: float) -> None:
        """CPU time that a hash took."""
        self._balance()
        self._saved -= seconds

    def _balance(self) -> float:
        now = self._clock()
        self._saved = min(BURST_SECONDS, self._saved + (now - self._at) * self._share)
        self._at = now
        return self._saved

    def refuse_locked(self, buckets: Sequence[str]) -> None:
        """Raises TooManyAttempts for what was locked a moment ago."""
        now = self._clock()
        for bucket in buckets:
            remembered, ends = self._locked.get(bucket, (0.0, 0.0))
            if now < min(remembered, ends):
                raise TooManyAttempts(
                    "Too many failed attempts to sign in. Wait before the next one.",
                    details={"retryAfter": max(1, ceil(ends - now))},
                )

    def remember_locked(self, buckets: Sequence[str], seconds: float) -> None:
        """For a few seconds only: an attempt that succeeds gives back what it took, and may end a lock early."""
        if len(self._locked) >= MOST_REMEMBERED:
            self._locked.clear()
        now = self._clock()
        for bucket in buckets:
            self._locked[bucket] = now + REMEMBERED_SECONDS, now + seconds


async def sign_in(request: Request, name: str, password: str) -> Principal:
    """The person of this name and password. Raises AuthenticationFailed, TooManyAttempts and SignInBusy."""
    state = request.app.state
    platform: Platform = state.platform
    gate: SignInGate = state.sign_in_gate
    key = platform.token_key
    account = bucket_of("account", name, key)
    address = bucket_of("address", request.state.address, key)
    gate.refuse_locked((account, address))
    async with gate:
        gate.refuse_locked((account, address))  # what happened while this one waited
        try:
            person, seconds = await run_in_threadpool(
                _checked, platform, name, password, sorted((account, address)), request.state.correlation_id
            )
        except TooManyAttempts as refusal:
            gate.remember_locked(refusal.details["buckets"], refusal.details["retryAfter"])
            del refusal.details["buckets"]
            raise
        gate.spend(seconds)
    if person is None:
        raise AuthenticationFailed("Name or password is wrong.")
    return person


def _checked(
    platform: Platform, name: str, password: str, buckets: Sequence[str], correlation: str
) -> tuple[Principal | None, float]:
    """(who they are if the password is theirs and they are active, CPU seconds of the hash)."""
    settings = platform.settings
    window = timedelta(seconds=settings.sign_in_window_seconds)
    with platform.new_unit() as uow:
        reservation = uow.sign_in_limits.reserve(buckets, limit=settings.sign_in_failures, window=window)
        user = uow.people.named(_asked(name))
        uow.commit()
    before = time.thread_time()
    matches = password_matches(password, user.password_hash if user else None)
    seconds = time.thread_time() - before
    if not matches or user is None or not user.active:
        if reservation.full:
            sign_ins.record_lock(
                platform.new_unit(), platform.system_call(correlation), reservation.full, user.id if user else None
            )
        return None, seconds
    with platform.new_unit() as uow:
        uow.sign_in_limits.give_back(reservation)
        person = uow.people.principal(user.id)
        uow.commit()
    return person, seconds


def issue(platform: Platform, by: Principal, user_id: str, wanted: Wanted, correlation: str) -> tuple[str, NewToken]:
    """(the token, what is known about it). The token is shown once and not stored."""
    token = new_token()
    made = tokens.issue_token(
        platform.new_unit(),
        Call(by, now(), new_id, correlation),
        user_id=user_id,
        mac=token_mac(token, platform.token_key),
        wanted=wanted,
    )
    return token, made


def login_token(platform: Platform, by: Principal, label: str, correlation: str) -> tuple[str, NewToken]:
    settings = platform.settings
    wanted = Wanted(label, timedelta(days=settings.token_days), calls=settings.token_calls or None)
    return issue(platform, by, by.id, wanted, correlation)


def token_read(token: str, made: NewToken) -> dict[str, object]:
    """As `TokenRead` describes it."""
    return {
        "token": token,
        "tokenId": made.id,
        "expiresAt": made.expires_at.isoformat(),
        "tokenType": "Bearer",
        "callsRemaining": made.calls,
    }


def _asked(name: str) -> str:
    """What PostgreSQL can be asked for; what it cannot hold is nobody's name, at the same cost."""
    return name if name.isprintable() else ""
