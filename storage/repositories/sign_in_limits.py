"""The brute-force lock: at most so many failed sign-ins per account and per address in any window of time.

An attempt is counted *before* the password is checked, so that parallel guesses cannot pass together, and taken
back when it succeeds. What other attempts left stays: somebody who guesses beside a person who signs in all day
gains nothing by it. Times are the database's, so that every process and every restart counts alike. Names and
addresses are stored as keyed digests only, and an unknown name is counted like a known one.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import text as sql

from governance.errors import TooManyAttempts

_RECENT = "(select {what} from unnest({row}.failures) f where f > clock_timestamp() - :window)"

# One statement, rows locked in one order: a bucket that is full returns no row.
_RESERVE = sql(f"""
    insert into sign_in_limits as l (bucket, failures, expires_at)
    select bucket, array[clock_timestamp()], clock_timestamp() + :window
    from unnest(cast(:buckets as text[])) bucket order by bucket
    on conflict (bucket) do update set
        failures = array{_RECENT.format(what="f", row="l")} || clock_timestamp(),
        expires_at = clock_timestamp() + :window
    where {_RECENT.format(what="count(*)", row="l")} < :limit
    returning bucket, failures[cardinality(failures)], cardinality(failures) >= :limit
""")  # noqa: S608  (constants)

# The lock ends when so many failures have aged that one more fits.
_LOCKED_FOR = sql("""
    select bucket, extract(epoch from failures[cardinality(failures) - :limit + 1] + :window - clock_timestamp())
    from sign_in_limits where bucket = any(cast(:buckets as text[])) and cardinality(failures) >= :limit
""")
_GIVE_BACK = sql("""
    update sign_in_limits set failures = array_remove(failures, g.at)
    from unnest(cast(:buckets as text[]), cast(:times as timestamptz[])) g (bucket, at)
    where sign_in_limits.bucket = g.bucket
""")
_FORGET = sql("""
    delete from sign_in_limits where bucket in (select bucket from sign_in_limits
        where expires_at < clock_timestamp() order by expires_at limit 20 for update skip locked)
""")


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one attempt took: (bucket, time) pairs; and the buckets that are full with it."""

    taken: tuple[tuple[str, Any], ...]
    full: tuple[str, ...] = ()


def bucket_of(kind: str, value: str, key: bytes) -> str:
    """`kind` is "account" or "address"."""
    return f"{kind}:{hmac.digest(key, f'{kind}:{value}'.encode('utf-8', 'surrogatepass'), 'sha256').hex()}"


class SignInLimitRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reserve(self, buckets: Sequence[str], *, limit: int, window: timedelta) -> Reservation:
        """Count an attempt in every bucket, or in none.

        Raises TooManyAttempts whose details hold the seconds to wait and the buckets that are full.
        Removes some rows that nobody needs any more, so that no job has to.
        """
        asked = {"buckets": list(buckets), "limit": limit, "window": window}
        taken = self._connection.execute(_RESERVE, asked).all()
        if len(taken) < len(buckets):
            self._connection.rollback()
            locked = self._connection.execute(_LOCKED_FOR, asked).all()
            seconds = max((row[1] for row in locked), default=1)
            raise TooManyAttempts(
                "Too many failed attempts to sign in. Wait before the next one.",
                details={"retryAfter": max(1, ceil(seconds)), "buckets": [row[0] for row in locked]},
            )
        self._connection.execute(_FORGET)  # last: it waits for nobody, so that no two attempts wait for each other
        return Reservation(tuple((row[0], row[1]) for row in taken), tuple(row[0] for row in taken if row[2]))

    def give_back(self, reservation: Reservation) -> None:
        """The attempt succeeded and does not count."""
        ordered = sorted(reservation.taken)
        self._connection.execute(
            _GIVE_BACK, {"buckets": [bucket for bucket, _ in ordered], "times": [at for _, at in ordered]}
        )
