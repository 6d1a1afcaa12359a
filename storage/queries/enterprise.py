"""The enterprise registry's view of the registry: one entry is one version, named by the version's id.

A model's own id is taken as well, and stands for its version in production or, without one, the newest one.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.visibility import visible

_NAMED = """select v.id::text, v.model_id::text, m.name, v.version, v.state
    from model_versions v join models m on m.id = v.model_id
    where (v.id = %(id)s or v.model_id = %(id)s) and {visible}
    order by v.id = %(id)s desc, v.state = 'production' desc, v.id desc limit 1"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the enterprise registry."""

    version_id: str
    model_id: str
    name: str
    version: str
    state: str


async def entry_named(
    pool: AsyncConnectionPool, caller: Principal | None, named: str, permissions: tuple[str, ...] = ("model:read",)
) -> Entry:
    """Raises NotFound for what does not exist or the caller may not see."""
    if is_id(named):
        may = visible(caller, permissions, "m.access_id")
        async with pool.connection() as connection:
            cursor = await connection.execute(_NAMED.format(visible=may.sql), {"id": named.lower(), **may.values})
            row = await cursor.fetchone()
        if row is not None:
            return Entry(*row)
    raise NotFound("model", named[:200])
