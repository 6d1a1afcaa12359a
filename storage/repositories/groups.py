"""Groups and who is in them. What follows for their members' access is derived by the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Text, bindparam, cast, delete, insert, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from governance.access.rules import AccessLevel
from governance.errors import Duplicate, InvalidInput, NotFound
from governance.people import Group
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import group_members, groups, users

_above = groups.alias("above")
_GROUPS = select(groups, _above.c.name.label("parent")).outerjoin(_above, _above.c.id == groups.c.parent_id)
LINES = """
    with recursive line(start, id, parent_id, name, steps) as (
        select name, id, parent_id, name, 0 from groups where name = any(:names)
        union all
        select l.start, g.id, g.parent_id, g.name, l.steps + 1 from line l join groups g on g.id = l.parent_id
            where l.steps < 20)
    select start, name from line order by start, steps
"""


# Changes of memberships lock in one order: out changes of groups (as the trigger `lock_groups` does), then the member,
# then memberships. In any other order they wait for each other in a circle.
_NO_CHANGE_OF_GROUPS = sql("select pg_advisory_xact_lock_shared(x'67726f757073'::bigint)")
_MEMBER = select(users.c.id).where(users.c.id == bindparam("member")).with_for_update(key_share=True)


def lock_member(connection: Connection, user_id: str) -> None:
    """Nobody else changes what this user may reach until the transaction ends."""
    connection.execute(_NO_CHANGE_OF_GROUPS)
    connection.execute(_MEMBER, {"member": user_id})


_HEIGHT = """with recursive low(id, level) as (
        select id, 1 from groups where name = :name
        union all select g.id, l.level + 1 from groups g join low l on g.parent_id = l.id)
    select max(level) from low"""


class GroupRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, group: Group, at: datetime) -> None:
        with refusing_duplicates(Duplicate(f"There is a group {group.name!r} already.", details={"name": group.name})):
            values = {"id": group.id, "name": group.name, "created_at": at, **self._columns(group, at)}
            self._connection.execute(insert(groups).values(**values))

    def get(self, group_id: str) -> Group:
        row = self._connection.execute(_GROUPS.where(groups.c.id == group_id)).one_or_none()
        if row is None:
            raise NotFound("group", group_id)
        return _group(row)

    def named(self, name: str) -> Group | None:
        row = self._connection.execute(_GROUPS.where(groups.c.name == name)).one_or_none()
        return _group(row) if row else None

    def change(self, group: Group, at: datetime) -> None:
        try:
            self._connection.execute(update(groups).where(groups.c.id == group.id).values(**self._columns(group, at)))
        except IntegrityError as error:  # somebody else moved another group meanwhile, and together they would nest so
            raise InvalidInput(
                "Groups nest at most ten levels and never in a circle.", details={"field": "parent"}
            ) from error

    def line(self, name: str) -> tuple[str, ...]:
        return self.lines((name,)).get(name, ())

    def lines(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        if names:
            for start, name in self._connection.execute(sql(LINES), {"names": list(names)}):
                found[start] = (*found.get(start, ()), name)
        return found

    def height(self, name: str) -> int:
        return int(self._connection.execute(sql(_HEIGHT), {"name": name}).scalar_one())

    def unknown(self, names: Sequence[str]) -> tuple[str, ...]:
        known = set(self._connection.execute(select(groups.c.name).where(groups.c.name.in_(names))).scalars())
        return tuple(name for name in dict.fromkeys(names) if name not in known)

    def add_member(self, group_id: str, user_id: str, by: str | None, at: datetime, source: str = "local") -> bool:
        lock_member(self._connection, user_id)
        statement = upsert(group_members).values(
            group_id=group_id, user_id=user_id, source=source, added_by=by, added_at=at
        )
        added = self._connection.execute(statement.on_conflict_do_nothing().returning(group_members.c.user_id))
        return added.one_or_none() is not None

    def remove_member(self, group_id: str, user_id: str) -> bool:
        lock_member(self._connection, user_id)
        removed = self._connection.execute(
            delete(group_members)
            .where(group_members.c.group_id == group_id, group_members.c.user_id == user_id)
            .returning(group_members.c.user_id)
        )
        return removed.first() is not None

    def set_local_memberships(self, user_id: str, names: Sequence[str], by: str | None, at: datetime) -> None:
        if unknown := self.unknown(names):
            raise InvalidInput(
                f"There is no group {unknown[0]!r}.", details={"field": "groups", "unknown": list(unknown)}
            )
        wanted = set(self._connection.execute(select(groups.c.id).where(groups.c.name.in_(names))).scalars())
        self._replace_memberships(user_id, wanted, "local", by, at)

    def _replace_memberships(self, user_id: str, wanted: set[str], source: str, by: str | None, at: datetime) -> bool:
        """Exactly these groups by id, as far as `source` says them; whether anything changed."""
        mine = (group_members.c.user_id == user_id, group_members.c.source == source)
        query = select(group_members.c.group_id).where(*mine)
        if set(self._connection.execute(query).scalars()) == wanted:
            return False
        lock_member(self._connection, user_id)
        present = set(self._connection.execute(query).scalars())
        if gone := present - wanted:
            self._connection.execute(delete(group_members).where(*mine, group_members.c.group_id.in_(gone)))
        for group_id in sorted(wanted - present):
            self.add_member(group_id, user_id, by, at, source)
        return present != wanted

    def follow_claims(self, user_id: str, claims: Sequence[str], at: datetime) -> bool:
        query = select(groups.c.id).where(groups.c.external_names.op("&&")(cast(list(claims), ARRAY(Text))))
        wanted = set(self._connection.execute(query).scalars()) if claims else set()
        return self._replace_memberships(user_id, wanted, "oidc", None, at)

    def _columns(self, group: Group, at: datetime) -> dict[str, Any]:
        parent = None
        if group.parent is not None:
            query = select(groups.c.id).where(groups.c.name == group.parent)
            parent = self._connection.execute(query).scalar_one_or_none()
            if parent is None:
                raise InvalidInput(f"There is no group {group.parent!r}.", details={"field": "parent"})
        return {
            "description": group.description,
            "parent_id": parent,
            "admin_level": group.admin_level,
            "access_level": int(group.access_level),
            "permissions": list(group.permissions),
            "external_names": list(group.external_names),
            "updated_at": at,
        }


def _group(row: Row[Any]) -> Group:
    return Group(
        id=row.id,
        name=row.name,
        description=row.description,
        parent=row.parent,
        admin_level=row.admin_level,
        access_level=AccessLevel(row.access_level),
        permissions=tuple(row.permissions),
        external_names=tuple(row.external_names),
    )
