"""Subjects of identity providers and their users."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from governance.external_identity import KnownIdentity
from storage.tables import external_identities


class ExternalIdentityRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, issuer: str, subject: str) -> KnownIdentity | None:
        """Sign-ins of one identity wait for each other here, so that the first one alone provisions."""
        self._connection.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"oidc:{issuer}\n{subject}", 0)))
        )
        row = self._connection.execute(
            select(external_identities).where(
                external_identities.c.issuer == issuer, external_identities.c.subject == subject
            )
        ).one_or_none()
        return KnownIdentity(row.user_id, tuple(row.claims), row.issued_at, row.last_seen_at) if row else None

    def add(self, issuer: str, subject: str, identity: KnownIdentity) -> None:
        self._connection.execute(
            insert(external_identities).values(
                issuer=issuer,
                subject=subject,
                user_id=identity.user_id,
                claims=list(identity.claims),
                issued_at=identity.issued_at,
                created_at=identity.last_seen_at,
                last_seen_at=identity.last_seen_at,
            )
        )

    def replace(self, issuer: str, subject: str, identity: KnownIdentity) -> None:
        self._connection.execute(
            update(external_identities)
            .where(external_identities.c.issuer == issuer, external_identities.c.subject == subject)
            .values(claims=list(identity.claims), issued_at=identity.issued_at, last_seen_at=identity.last_seen_at)
        )
