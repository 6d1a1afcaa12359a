"""Findings: opened, changed, closed; never deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy import text as sql

from governance.errors import NotFound
from governance.findings import Finding, due
from governance.models import ModelVersion
from storage.tables import findings

_HAD_A_PART = sql("""
    select distinct coalesce(u.owner_id, u.id) as person from users u where u.id in (
        select opened_by from findings where id = :finding
        union select o.proposed_by from overrides o where o.finding_id = :finding
        union select o.confirmed_by from overrides o where o.finding_id = :finding
        union select r.requester_id from findings f join transition_requests r on r.id = f.request_id
            where f.id = :finding
        union select c.user_id from findings f join contributors c on c.version_id = f.version_id
            where f.id = :finding)
""")


class FindingRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(
        self,
        finding_id: str,
        version: ModelVersion | None,
        severity: str,
        title: str,
        request_id: str | None,
        at: datetime,
        *,
        kind: str = "manual",
        owner_id: str | None = None,
        opened_by: str | None = None,
        due_at: datetime | None = None,
        blocks: Sequence[str] = (),
        model_wide: bool = False,
    ) -> None:
        self._connection.execute(
            insert(findings).values(
                id=finding_id,
                model_id=version.model_id if version else None,
                version_id=version.id if version else None,
                kind=kind,
                severity=severity,
                title=title,
                status="open",
                request_id=request_id,
                owner_id=owner_id,
                opened_by=opened_by,
                due_at=due_at or due(severity, at),
                blocks=list(blocks),
                model_wide=model_wide,
                created_at=at,
            )
        )

    def get(self, finding_id: str) -> Finding:
        return self._one(finding_id, lock=False)

    def lock(self, finding_id: str) -> Finding:
        return self._one(finding_id, lock=True)

    def _one(self, finding_id: str, *, lock: bool) -> Finding:
        query = select(findings).where(findings.c.id == finding_id)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NotFound("finding", finding_id)
        return _finding(row)

    def change(self, finding: Finding) -> None:
        self._connection.execute(
            update(findings)
            .where(findings.c.id == finding.id)
            .values(
                owner_id=finding.owner_id,
                severity=finding.severity,
                title=finding.title,
                due_at=finding.due_at,
                blocks=list(finding.blocks),
                model_wide=finding.model_wide,
            )
        )

    def close(self, finding_id: str, by: str | None, resolution_kind: str, resolution: str, at: datetime) -> None:
        self._connection.execute(
            update(findings)
            .where(findings.c.id == finding_id, findings.c.status == "open")
            .values(
                status="closed",
                closed_by=by,
                closed_at=at,
                resolution_kind=resolution_kind,
                resolution=resolution,
            )
        )

    def had_a_part(self, finding: Finding) -> frozenset[str]:
        rows = self._connection.execute(_HAD_A_PART, {"finding": finding.id})
        return frozenset(str(row.person) for row in rows)


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        id=row.id,
        model_id=row.model_id,
        version_id=row.version_id,
        kind=row.kind,
        severity=row.severity,
        title=row.title,
        status=row.status,
        request_id=row.request_id,
        owner_id=row.owner_id,
        opened_by=row.opened_by,
        due_at=row.due_at,
        blocks=tuple(row.blocks),
        model_wide=row.model_wide,
        created_at=row.created_at,
    )
