"""Who works on a request right now: a PostgreSQL advisory lock held by the flow's own connection.

Prefect cannot see that a whole machine was lost: the run stays "running" there. PostgreSQL can: the lock goes with
the connection. `reconcile` starts a run again only when nobody holds its lease.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select


def lease_key(request_id: str) -> int:
    """A signed 64-bit number, the key space of advisory locks."""
    return int.from_bytes(hashlib.sha256(f"lease:{request_id}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def working_on(engine: Engine, request_id: str) -> Iterator[None]:
    """Hold the lease for the block. Shared, because a second run of one request is harmless."""
    key = lease_key(request_id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(select(func.pg_advisory_lock_shared(key)))
        try:
            yield
        finally:
            if not connection.invalidated and not connection.closed:
                connection.execute(select(func.pg_advisory_unlock_shared(key)))


@contextmanager
def working_alone(engine: Engine, name: str) -> Iterator[bool]:
    """Hold the lease for the block if nobody else does; whether that is so."""
    key = lease_key(name)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        alone = bool(connection.execute(select(func.pg_try_advisory_lock(key))).scalar_one())
        try:
            yield alone
        finally:
            if alone and not connection.invalidated and not connection.closed:
                connection.execute(select(func.pg_advisory_unlock(key)))


def worked_on(engine: Engine, name: str) -> bool:
    """Does a living process hold this lease?"""
    with engine.connect() as connection:
        return not connection.execute(select(func.pg_try_advisory_xact_lock(lease_key(name)))).scalar_one()
