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
