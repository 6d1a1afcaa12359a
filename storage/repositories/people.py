"""Users and tokens, and the memory of repeated calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from governance.errors import Duplicate, IdempotencyMismatch, NotFound
from governance.people import Role, User
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import idempotency_keys, tokens, users


class PeopleRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, user: User, at: datetime) -> None:
        with refusing_duplicates(Duplicate(f"There is a user {user.name!r} already.", details={"name": user.name})):
            self._connection.execute(
                insert(users).values(
                    id=user.id,
                    name=user.name,
                    role=user.role.value,
                    groups=list(user.groups),
                    password_hash=user.password_hash,
                    active=user.active,
                    created_at=at,
                )
            )

    def get(self, user_id: str) -> User:
        row = self._connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
        if row is None:
            raise NotFound("user", user_id)
        return _user(row)

    def named(self, name: str) -> User | None:
        row = self._connection.execute(select(users).where(users.c.name == name)).one_or_none()
        return _user(row) if row else None

    def set_access(self, user_id: str, *, role: Role, groups: Sequence[str], active: bool) -> None:
        self._connection.execute(
            update(users).where(users.c.id == user_id).values(role=role.value, groups=list(groups), active=active)
        )

    def add_token(
        self, token_id: str, user_id: str, mac: bytes, label: str, at: datetime, expires_at: datetime
    ) -> None:
        self._connection.execute(
            insert(tokens).values(
                id=token_id, user_id=user_id, mac=mac, label=label, created_at=at, expires_at=expires_at
            )
        )

    def revoke_token(self, token_id: str, user_id: str, at: datetime) -> bool:
        changed = self._connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
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


def _user(row: Row[Any]) -> User:
    return User(row.id, row.name, Role(row.role), tuple(row.groups), row.password_hash, row.active)
