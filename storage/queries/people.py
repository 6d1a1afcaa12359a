"""Who is calling, and who there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.principals import principal_of
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso

_COLUMNS = """u.id::text, u.name, u.kind, u.owner_id::text, u.roles, u.groups, u.package_permissions, u.every_group,
    u.senior_groups, u.group_permissions, u.access_level, u.clearance_level, u.workspace, u.department, u.project,
    u.access_epoch"""

# One statement finds the caller and spends a call of a token that is counted. A counted token without calls left is
# found with nothing spent. An owner who is gone takes their service accounts along.
_CALLER = """
    with spent as (
        update tokens set calls_left = calls_left - 1
        where mac = %(mac)s and calls_left > 0 and revoked_at is null and expires_at > now() and kind = any(%(kinds)s)
        returning calls_left
    )
    select t.id, u.access_epoch, t.calls_left, (select calls_left from spent)
    from tokens t join users u on u.id = t.user_id
    where t.mac = %(mac)s and t.revoked_at is null and t.expires_at > now() and u.active and t.kind = any(%(kinds)s)
        and (u.owner_id is null or exists (select 1 from users o where o.id = u.owner_id and o.active))
"""
_BEHIND_TOKEN = f"""select {_COLUMNS}, t.id::text as token_id, t.kind as token_kind, t.scopes
    from tokens t join users u on u.id = t.user_id where t.id = %s"""
_BY_ID = f"""select {_COLUMNS} from users u where u.id = %s and u.active
    and (u.owner_id is null or exists (select 1 from users o where o.id = u.owner_id and o.active))"""
_GIVE_BACK = "update tokens set calls_left = calls_left + 1 where id = %s and calls_left < calls_allowed"

LEVEL = "(array['public', 'internal', 'confidential'])[{column} + 1]"
USER = f"""json_build_object('id', u.id, 'name', u.name, 'kind', u.kind, 'ownerId', u.owner_id, 'roles', u.roles,
    'permissions', u.package_permissions, 'groups', u.groups, 'attributes', json_build_object(
    'clearanceLevel', u.clearance_level, 'workspace', u.workspace, 'department', u.department, 'project', u.project),
    'dataAccessLevel', {LEVEL.format(column="u.access_level")}, 'active', u.active,
    'timeZone', u.time_zone, 'createdAt', {iso("u.created_at")})"""
_TOKEN = f"""json_build_object('id', t.id, 'userId', t.user_id, 'label', t.label, 'kind', t.kind, 'scopes', t.scopes,
    'callsAllowed', t.calls_allowed, 'callsRemaining', t.calls_left, 'createdAt', {iso("t.created_at")},
    'expiresAt', {iso("t.expires_at")}, 'revokedAt', {iso("t.revoked_at")})"""

_USERS = Listing(USER, "users u", "u.id")
_TOKENS = Listing(_TOKEN, "tokens t", "t.id")


class KnownCallers:
    """Callers by token and permission epoch, so that the facts behind a token are read once for each of its epochs.

    Whether the token and its user are good is asked with every call; a change of access makes a new epoch.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._known: dict[tuple[Any, int], Principal] = {}
        self._most = most

    async def find(self, pool: AsyncConnectionPool, mac: bytes, kinds: Sequence[str]) -> Principal | None:
        """The caller behind a token of one of `kinds`; `calls_remaining` is -1 when its calls are used up."""
        async with pool.connection() as connection:
            cursor = await connection.execute(_CALLER, {"mac": mac, "kinds": list(kinds)})
            row = await cursor.fetchone()
            if row is None:
                return None
            token_id, epoch, before, after = row
            known = self._known.get((token_id, epoch))
            if known is None:
                known = await _behind(connection, token_id)
                if len(self._known) >= self._most:
                    self._known.clear()
                self._known[(token_id, known.epoch)] = known
        if before is None:
            return known
        return replace(known, calls_remaining=-1 if after is None else after)


async def _behind(connection: AsyncConnection[Any], token_id: Any) -> Principal:
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_BEHIND_TOKEN, (token_id,))
        row: Any = await cursor.fetchone()
    return replace(
        principal_of(row),
        token_id=row.token_id,
        token_kind=row.token_kind,
        scopes=frozenset(row.scopes) if row.scopes is not None else None,
    )


async def principal_of_user(pool: AsyncConnectionPool, user_id: str) -> Principal | None:
    """A user as the caller, for whoever was authenticated elsewhere."""
    async with pool.connection() as connection, connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_BY_ID, (user_id,))
        row = await cursor.fetchone()
    return principal_of(row) if row is not None else None


async def give_back_call(pool: AsyncConnectionPool, token_id: str) -> None:
    """A call that failed through no fault of the caller's is not counted."""
    async with pool.connection() as connection:
        await connection.execute(_GIVE_BACK, (token_id,))


async def user(pool: AsyncConnectionPool, user_id: str) -> str:
    row = await one(pool, f"select {USER}::text from users u where u.id = %s", user_id)
    return str(row[0]) if row else "null"


async def users(pool: AsyncConnectionPool, page: PageRequest) -> Page:
    where = Conditions()
    where.add("u.deleted_at is null")
    return await read_page(pool, _USERS, where, page)


async def tokens(pool: AsyncConnectionPool, page: PageRequest, user_id: str) -> Page:
    """Those of the user and of their service accounts."""
    where = Conditions()
    where.add("t.user_id in (select id from users where id = %(user_id)s or owner_id = %(user_id)s)", user_id=user_id)
    return await read_page(pool, _TOKENS, where, page)


async def token(pool: AsyncConnectionPool, token_id: str) -> str:
    row = await one(pool, f"select {_TOKEN}::text from tokens t where t.id = %s", token_id)
    return str(row[0]) if row else "null"
