"""The state of circuit breakers, one row an endpoint, shared by all workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from governance.breakers import Breaker, BreakerState
from storage.tables import endpoint_breakers


class BreakerRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def locked(self, endpoint: str, at: datetime) -> Breaker:
        """The breaker as it stands, made where there is none, and nobody else's until this transaction ends."""
        table = endpoint_breakers
        fresh = Breaker(endpoint)
        self._connection.execute(
            insert(table)
            .values(endpoint=endpoint, state=fresh.state.value, failures=0, generation=0, changed_at=at)
            .on_conflict_do_nothing()
        )
        row = self._connection.execute(select(table).where(table.c.endpoint == endpoint).with_for_update()).one()
        return Breaker(row.endpoint, BreakerState(row.state), row.failures, row.until, row.generation)

    def store(self, breaker: Breaker, at: datetime) -> None:
        self._connection.execute(
            update(endpoint_breakers)
            .where(endpoint_breakers.c.endpoint == breaker.endpoint)
            .values(
                state=breaker.state.value,
                failures=breaker.failures,
                until=breaker.until,
                generation=breaker.generation,
                changed_at=at,
            )
        )
