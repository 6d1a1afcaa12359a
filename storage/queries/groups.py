"""Groups as their members, their managers and administrators see them (group-aware API)."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.people import LEVEL
from storage.queries.times import iso

_FIELDS = f"""'id', g.id, 'name', g.name, 'description', g.description, 'parent', p.name, 'adminLevel', g.admin_level,
    'dataAccessLevel', {LEVEL.format(column="g.access_level")}, 'permissions', g.permissions,
    'createdAt', {iso("g.created_at")}, 'updatedAt', {iso("g.updated_at")}"""
_SOURCE = "groups g left join groups p on p.id = g.parent_id"
_GROUPS = Listing(f"json_build_object({_FIELDS})", _SOURCE, "g.id")
_MEMBER = f"""json_build_object('userId', u.id, 'name', u.name, 'kind', u.kind, 'sources', gm.sources,
    'since', {iso("gm.added_at")})"""
_MEMBERS = Listing(
    _MEMBER,
    """(select user_id, array_agg(source order by source) as sources, min(added_at) as added_at
        from group_members where group_id = %(group_id)s group by user_id) gm join users u on u.id = gm.user_id""",
    "u.id",
)

# One's own groups with those above them, and those below a group that one manages members of.
_OWN = """(g.name = any(%(own)s) or g.id in (
    with recursive below(id) as (
        select id from groups where name = any(%(direct)s) and admin_level >= 1
        union select c.id from groups c join below b on c.parent_id = b.id)
    select id from below))"""


def _see(where: Conditions, caller: Principal) -> None:
    if not caller.is_admin or caller.narrowed:
        direct = sorted(set(caller.groups) & caller.acting_groups)
        where.add(_OWN, own=sorted(caller.acting_groups), direct=direct)


async def groups(pool: AsyncConnectionPool, caller: Principal, page: PageRequest) -> Page:
    where = Conditions()
    _see(where, caller)
    return await read_page(pool, _GROUPS, where, page)


async def group(pool: AsyncConnectionPool, caller: Principal, group_id: str) -> str:
    """Raises NotFound."""
    where = Conditions()
    where.add("g.id = %(id)s", id=group_id)
    _see(where, caller)
    row = None
    if is_id(group_id):
        async with pool.connection() as connection:
            names = ", 'externalNames', g.external_names" if caller.is_admin else ""
            cursor = await connection.execute(
                f"select json_build_object({_FIELDS}{names})::text from {_SOURCE} where {where.sql}", where.values
            )
            row = await cursor.fetchone()
    if row is None:
        raise NotFound("group", group_id)
    return str(row[0])


async def members(pool: AsyncConnectionPool, caller: Principal, group_id: str, page: PageRequest) -> Page:
    """Raises NotFound."""
    await group(pool, caller, group_id)
    where = Conditions(values={"group_id": group_id})  # in the source itself: there a member is one row
    return await read_page(pool, _MEMBERS, where, page)


async def permissions(pool: AsyncConnectionPool, caller: Principal, group_id: str) -> tuple[str, int, str, list[str]]:
    """(name, admin level, data access level, permissions that it and the groups above it give). Raises NotFound."""
    await group(pool, caller, group_id)
    async with pool.connection() as connection:
        cursor = await connection.execute(
            f"""with recursive line(id, parent_id, permissions) as (
                    select id, parent_id, permissions from groups where id = %(id)s
                    union all
                    select g.id, g.parent_id, g.permissions from line l join groups g on g.id = l.parent_id)
                select g.name, g.admin_level, {LEVEL.format(column="g.access_level")},
                    array(select distinct p from line l, unnest(l.permissions) p order by p)
                from groups g where g.id = %(id)s""",
            {"id": group_id},
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101  (found a moment ago, and groups are never deleted)
    return row[0], row[1], row[2], row[3]
