"""Delegations, and overrides of soft gates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select, update
from sqlalchemy import text as sql

from governance.access.roles import REVIEWERS
from governance.delegations import Delegation
from governance.errors import NotFound
from governance.overrides import Override
from governance.signed_decisions import Seals
from storage.tables import delegations, overrides

# In force: confirmed, unexpired, and both people are still there with a role that decides.
_CONFIRMED = sql("""
    select o.* from overrides o
    join users p on p.id = o.proposed_by and p.active and p.roles && :roles
    join users c on c.id = o.confirmed_by and c.active and c.roles && :roles
    where o.request_id = :about_request and o.evidence_digest = :digest and o.expires_at > :at
""")
_REVIEWERS = sorted(role.value for role in REVIEWERS)


class DelegationRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, delegation: Delegation, at: datetime) -> None:
        self._connection.execute(
            insert(delegations).values(
                id=delegation.id,
                delegator_id=delegation.delegator_id,
                delegate_id=delegation.delegate_id,
                groups=list(delegation.groups),
                transitions=list(delegation.transitions),
                risk_tiers=list(delegation.risk_tiers),
                reason=delegation.reason,
                starts_at=delegation.starts_at,
                ends_at=delegation.ends_at,
                created_at=at,
            )
        )

    def get(self, delegation_id: str) -> Delegation:
        row = self._connection.execute(
            select(delegations).where(delegations.c.id == delegation_id).with_for_update()
        ).one_or_none()
        if row is None:
            raise NotFound("delegation", delegation_id)
        return _delegation(row)

    def in_force(self, delegator_id: str, delegate_id: str, at: datetime) -> tuple[Delegation, ...]:
        query = select(delegations).where(
            delegations.c.delegator_id == delegator_id,
            delegations.c.delegate_id == delegate_id,
            delegations.c.revoked_at.is_(None),
            delegations.c.starts_at <= at,
            delegations.c.ends_at > at,
        )
        return tuple(_delegation(row) for row in self._connection.execute(query.with_for_update()))

    def count_of(self, delegator_id: str, at: datetime) -> int:
        unended = and_(delegations.c.revoked_at.is_(None), delegations.c.ends_at > at)
        query = select(func.count()).where(delegations.c.delegator_id == delegator_id, unended)
        return int(self._connection.execute(query).scalar_one())

    def revoke(self, delegation_id: str, by: str, at: datetime) -> bool:
        changed = self._connection.execute(
            update(delegations)
            .where(delegations.c.id == delegation_id, delegations.c.revoked_at.is_(None))
            .values(revoked_at=at, revoked_by=by)
            .returning(delegations.c.id)
        )
        return changed.one_or_none() is not None


class OverrideRepository:
    """Signs what it records, and believes nothing else."""

    def __init__(self, connection: Connection, seals: Seals) -> None:
        self._connection = connection
        self._seals = seals

    def add(self, override: Override) -> None:
        self._connection.execute(
            insert(overrides).values(
                id=override.id,
                request_id=override.request_id,
                policy=override.policy,
                policy_version=override.policy_version,
                evidence_digest=override.evidence_digest,
                reason=override.reason,
                proposed_by=override.proposed_by,
                proposed_at=override.proposed_at,
                expires_at=override.expires_at,
                envelope=self._seals.override(override),
            )
        )

    def get(self, request_id: str, override_id: str) -> tuple[Override, bool]:
        query = select(overrides).where(overrides.c.id == override_id, overrides.c.request_id == request_id)
        row = self._connection.execute(query.with_for_update()).one_or_none()
        if row is None:
            raise NotFound("override", override_id)
        found = _override(row)
        return found, self._seals.holds_override(found, row.envelope)

    def confirm(self, override: Override) -> None:
        self._connection.execute(
            update(overrides)
            .where(overrides.c.id == override.id)
            .values(
                confirmed_by=override.confirmed_by,
                confirmed_at=override.confirmed_at,
                finding_id=override.finding_id,
                envelope=self._seals.override(override),
            )
        )

    def waived(self, request_id: str, evidence_digest: str, at: datetime) -> frozenset[tuple[str, int]]:
        asked = {"about_request": request_id, "digest": evidence_digest, "at": at, "roles": _REVIEWERS}
        rows = self._connection.execute(_CONFIRMED, asked).all()
        return frozenset(
            (row.policy, row.policy_version) for row in rows if self._seals.holds_override(_override(row), row.envelope)
        )


def _delegation(row: Row[Any]) -> Delegation:
    return Delegation(
        id=row.id,
        delegator_id=row.delegator_id,
        delegate_id=row.delegate_id,
        groups=tuple(row.groups),
        transitions=tuple(row.transitions),
        risk_tiers=tuple(row.risk_tiers),
        reason=row.reason,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        revoked_at=row.revoked_at,
    )


def _override(row: Row[Any]) -> Override:
    return Override(
        id=str(row.id),
        request_id=str(row.request_id),
        policy=row.policy,
        policy_version=row.policy_version,
        evidence_digest=row.evidence_digest,
        reason=row.reason,
        proposed_by=str(row.proposed_by),
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        confirmed_by=str(row.confirmed_by) if row.confirmed_by is not None else None,
        confirmed_at=row.confirmed_at,
        finding_id=str(row.finding_id) if row.finding_id is not None else None,
    )
