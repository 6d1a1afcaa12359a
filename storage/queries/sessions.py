"""Browser sessions, found by what the browser holds."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from storage.queries.registry import one


async def token_id(pool: AsyncConnectionPool, mac: bytes) -> str | None:
    """The id of the token with this MAC."""
    row = await one(pool, "select id::text from tokens where mac = %s", mac)
    return str(row[0]) if row else None
