"""Users and tokens, and the memory of repeated calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from governance.access.principal import PERSON, Principal
from governance.access.roles import PackagePermission, Role
from governance.errors import Duplicate, IdempotencyMismatch, NotFound
from governance.people import Attributes, NewToken, User
from storage.principals import principal_of
from storage.repositories.conflicts import refusing_duplicates
from storage.repositories.groups import lock_member
from storage.tables import group_members, idempotency_keys, tokens, users

_ADMINISTRATORS = int.from_bytes(b"admins")


class PeopleRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, user: User, at: datetime) -> None:
        with refusing_duplicates(Duplicate(f"There is a user {user.name!r} already.", details={"name": user.name})):
            self._connection.execute(
                insert(users).values(
                    id=user.id,
                    name=user.name,
                    kind=user.kind,
                    owner_id=user.owner_id,
                    password_hash=user.password_hash,
                    created_at=at,
                    **_access(user),
                )
            )

    def get(self, user_id: str) -> User:
        return self._one(user_id, lock=False)

    def lock(self, user_id: str) -> User:
        return self._one(user_id, lock=True)

    def _one(self, user_id: str, *, lock: bool) -> User:
        if lock:
            lock_member(self._connection, user_id)
        row = self._connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
        if row is None:
            raise NotFound("user", user_id)
        return _user(row)

    def is_deleted(self, user_id: str) -> bool:
        query = select(users.c.id).where(users.c.id == user_id, users.c.deleted_at.is_not(None))
        return self._connection.execute(query).one_or_none() is not None

    def named(self, name: str) -> User | None:
        row = self._connection.execute(select(users).where(users.c.name == name)).one_or_none()
        return _user(row) if row else None

    def find(self, name_or_id: str) -> User | None:
        query = select(users).where(
            or_(users.c.name == name_or_id, func.cast(users.c.id, users.c.name.type) == name_or_id.lower()),
            users.c.deleted_at.is_(None),
        )
        rows = self._connection.execute(query).all()
        return _user(rows[0]) if len(rows) == 1 else None

    def principal(self, user_id: str) -> Principal:
        row = self._connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
        if row is None:
            raise NotFound("user", user_id)
        return principal_of(row)

    def owner_of(self, user_id: str) -> str | None:
        return self._connection.execute(select(users.c.owner_id).where(users.c.id == user_id)).scalar_one_or_none()

    def has_other_admin(self, user_id: str) -> bool:
        """A person, since service accounts end with who is behind them. One transaction at a time asks, until its end:
        two administrators who remove each other at once would each find the other one."""
        self._connection.execute(select(func.pg_advisory_xact_lock(_ADMINISTRATORS)))
        query = select(users.c.id).where(
            users.c.roles.contains([Role.CATALOG_ADMIN.value]),
            users.c.active,
            users.c.kind == PERSON,
            users.c.id != user_id,
        )
        return self._connection.execute(query.limit(1)).one_or_none() is not None

    def set_access(self, user: User) -> None:
        self._connection.execute(update(users).where(users.c.id == user.id).values(**_access(user)))

    def set_time_zone(self, user_id: str, zone: str) -> str:
        before = self._connection.execute(
            select(users.c.time_zone).where(users.c.id == user_id).with_for_update()
        ).scalar_one_or_none()
        if before is None:
            raise NotFound("user", user_id)
        self._connection.execute(update(users).where(users.c.id == user_id).values(time_zone=zone))
        return str(before)

    def delete(self, user_id: str, at: datetime) -> None:
        """The row stays, since the record of what they did points to it; service accounts of theirs go along."""
        gone = select(users.c.id).where(or_(users.c.id == user_id, users.c.owner_id == user_id))
        ids = [str(row.id) for row in self._connection.execute(gone)]
        for one in sorted(ids):
            lock_member(self._connection, one)
        self._connection.execute(delete(group_members).where(group_members.c.user_id.in_(ids)))
        self._connection.execute(
            update(tokens).where(tokens.c.user_id.in_(ids), tokens.c.revoked_at.is_(None)).values(revoked_at=at)
        )
        self._connection.execute(
            update(users)
            .where(users.c.id.in_(ids))
            .values(active=False, deleted_at=at, password_hash=None, roles=[], package_permissions=[])
        )

    def add_token(self, token: NewToken, at: datetime) -> None:
        self._connection.execute(
            insert(tokens).values(
                id=token.id,
                user_id=token.user_id,
                mac=token.mac,
                label=token.label,
                kind=token.kind,
                scopes=sorted(token.scopes) if token.scopes is not None else None,
                calls_allowed=token.calls,
                calls_left=token.calls,
                created_at=at,
                expires_at=token.expires_at,
            )
        )

    def token_holder(self, token_id: str) -> str | None:
        return self._connection.execute(select(tokens.c.user_id).where(tokens.c.id == token_id)).scalar_one_or_none()

    def revoke_token(self, token_id: str, at: datetime) -> bool:
        changed = self._connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=at)
            .returning(tokens.c.id)
        )
        return changed.one_or_none() is not None


class IdempotencyRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, principal_id: str, key: str, fingerprint: str) -> str | None:
        self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{principal_id}:{key}", 0))))
        row = self._connection.execute(
            select(idempotency_keys.c.fingerprint, idempotency_keys.c.resource_id).where(
                idempotency_keys.c.principal_id == principal_id, idempotency_keys.c.key == key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request.", details={"key": key})
        return str(row.resource_id)

    def remember(self, principal_id: str, key: str, fingerprint: str, resource_id: str, at: datetime) -> None:
        self._connection.execute(
            insert(idempotency_keys).values(
                principal_id=principal_id,
                key=key,
                fingerprint=fingerprint,
                resource_id=resource_id,
                created_at=at,
            )
        )


def _access(user: User) -> dict[str, Any]:
    return {
        "roles": sorted(role.value for role in user.roles),
        "package_permissions": sorted(one.value for one in user.package_permissions),
        "clearance_level": user.attributes.clearance_level,
        "workspace": user.attributes.workspace,
        "department": user.attributes.department,
        "project": user.attributes.project,
        "active": user.active,
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        roles=frozenset(map(Role, row.roles)),
        groups=tuple(row.groups),
        password_hash=row.password_hash,
        active=row.active,
        kind=row.kind,
        owner_id=row.owner_id,
        package_permissions=frozenset(map(PackagePermission, row.package_permissions)),
        attributes=Attributes(row.clearance_level, row.workspace, row.department, row.project),
    )
