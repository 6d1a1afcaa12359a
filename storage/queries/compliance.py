"""What compliance asks about versions as they stood at a moment: rebuilt from settled requests.

A version's state at a moment is where the last applied request before it moved the version, by itself or alongside
another one. Metadata, verdicts and metrics are those of the decision that let it into production.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.compliance.facts import Facts, OpenFinding
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.pages import COUNT_LIMIT, Conditions
from storage.queries.visibility import visible

MOST_VERSIONS = 10_000
"""Versions in production that one summary looks at."""

COMPLIANCE = ("compliance:read",)

_FAMILIES = ("taskMetrics", "biasMetrics", "safetyMetrics", "robustnessMetrics")

# Where the versions of model m had got to at the moment, by themselves or alongside another one.
_STATES = """
    select distinct on (moved.version_id) moved.version_id, moved.state, moved.at from (
        select r.version_id, r.outcome ->> 'to' as state, r.settled_at as at, r.id from transition_requests r
        where r.model_id = m.id and r.status = 'applied' and r.transition <> 'evaluate'
            and r.settled_at <= %(at)s
        union all
        select (r.outcome #>> '{alongside,versionId}')::uuid, r.outcome #>> '{alongside,to}', r.settled_at, r.id
        from transition_requests r
        where r.model_id = m.id and r.status = 'applied' and r.settled_at <= %(at)s and r.outcome ? 'alongside'
    ) moved order by moved.version_id, moved.at desc, moved.id desc
"""

_METRICS = ", ".join(
    f"""'{family}', (select coalesce(sum((select count(*) from jsonb_object_keys(e -> '{family}'))), 0)
        from jsonb_array_elements(d.evidence #> '{{subject,evaluations}}') e
        where jsonb_typeof(e -> '{family}') = 'object')"""
    for family in _FAMILIES
)

_FIELDS = f"""
    select m.id, m.name, m."group", m.risk_tier, m.owners, v.id, v.version, coalesce(p.state, 'draft'),
        coalesce(d.evidence #> '{{subject,version,metadata}}', v.metadata), p.at, d.id, d.settled_at,
        d.evidence_digest,
        (select jsonb_object_agg(x ->> 'policy', x ->> 'outcome') from jsonb_array_elements(d.verdicts) x),
        case when d.id is not null then jsonb_build_object({_METRICS}) end,
        (select jsonb_agg(jsonb_build_object('name', a -> 'approver_name', 'groups', a -> 'groups',
                'roles', a -> 'roles') order by a ->> 'approver_name')
            from jsonb_array_elements(d.judged_case -> 'approvals') a
            where a ->> 'decision' = 'approve' and a ->> 'evidence_digest' = d.evidence_digest),
        (select jsonb_agg(jsonb_build_array(f.id, f.severity, f.title, f.due_at) order by f.id) from findings f
            where f.model_id = m.id and (f.model_wide or f.version_id = v.id) and f.created_at <= %(at)s
                and (f.closed_at is null or f.closed_at > %(at)s)),
        (select r.due_at from reviews r where r.version_id = v.id and r.created_at <= %(at)s
            order by r.created_at desc, r.id desc limit 1),
        exists (select 1 from ({_STATES}) earlier where earlier.state = 'deprecated')
    from models m
"""
_DECISION = """
    left join lateral (
        select r.* from transition_requests r where r.version_id = v.id and r.transition = 'approve_production'
            and r.status = 'applied' and r.settled_at <= %(at)s order by r.settled_at desc limit 1) d on true
"""

_IN_PRODUCTION = f"""join lateral (select * from ({_STATES}) s where s.state = 'production' limit 1) p on true
    join model_versions v on v.id = p.version_id"""
_NAMED = f"""join model_versions v on v.model_id = m.id and v.version = %(version)s
    left join lateral (select * from ({_STATES}) s where s.version_id = v.id) p on true"""


async def in_production(
    pool: AsyncConnectionPool,
    caller: Principal,
    at: datetime,
    *,
    after: UUID | None = None,
    model_id: str | None = None,
    limit: int = MOST_VERSIONS,
    audit_months: int | None = None,
) -> list[Facts]:
    """One version for each model that had one in production at that moment, newest model first.

    after: the id of the model behind which to continue.
    """
    where = _chosen(caller, at, model_id)
    where.add("m.id < %(after)s", after=after)
    statement = _statement(_IN_PRODUCTION, where.sql)
    return await _facts(pool, statement, {**where.values, "limit": limit}, at, audit_months)


async def count_in_production(
    pool: AsyncConnectionPool, caller: Principal, at: datetime, *, model_id: str | None = None
) -> int:
    """How many there are, up to one more than a list counts."""
    where = _chosen(caller, at, model_id)
    statement = f"select count(*) from (select 1 from models m {_IN_PRODUCTION} where {where.sql} limit %(limit)s) c"
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, {**where.values, "limit": COUNT_LIMIT + 1}, prepare=False)
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _chosen(caller: Principal, at: datetime, model_id: str | None) -> Conditions:
    where = Conditions()
    where.only(visible(caller, COMPLIANCE, "m.access_id"))
    where.add("m.created_at <= %(at)s", at=at)
    where.add("m.id = %(model)s", model=UUID(model_id) if model_id else None)
    return where


async def of_version(
    pool: AsyncConnectionPool,
    caller: Principal,
    model_id: str,
    version: str,
    at: datetime,
    *,
    audit_months: int | None = None,
) -> Facts:
    """One version, whatever its state was at that moment. Raises NotFound."""
    may = visible(caller, COMPLIANCE, "m.access_id")
    if is_id(model_id):
        statement = _statement(_NAMED, f"m.id = %(model)s and {may.sql}")
        values = {**may.values, "at": at, "limit": 1, "model": UUID(model_id), "version": version}
        found = await _facts(pool, statement, values, at, audit_months)
        if found:
            return found[0]
    raise NotFound("version", f"{model_id[:100]} {version[:100]}")


def _statement(chosen: str, where: str) -> str:
    return f"{_FIELDS} {chosen} {_DECISION} where {where} order by m.id desc limit %(limit)s"


async def _facts(
    pool: AsyncConnectionPool, statement: str, values: dict[str, Any], at: datetime, audit_months: int | None
) -> list[Facts]:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values, prepare=False)
        rows = await cursor.fetchall()
    return [_read(row, at, audit_months) for row in rows]


def _read(row: tuple[Any, ...], at: datetime, audit_months: int | None) -> Facts:
    return Facts(
        model_id=str(row[0]),
        model_name=row[1],
        group=row[2],
        risk_tier=row[3],
        owners=tuple(row[4]),
        version_id=str(row[5]),
        version=row[6],
        state=row[7],
        as_of=at,
        metadata=row[8] or {},
        production_since=row[9] if row[7] == "production" else None,
        decision_id=str(row[10]) if row[10] else None,
        decided_at=row[11],
        evidence_digest=row[12],
        verdicts=row[13] or {},
        metrics={name: int(count) for name, count in (row[14] or {}).items()},
        approvers=tuple(row[15] or ()),
        findings=tuple(OpenFinding(str(one[0]), one[1], one[2], _time(one[3])) for one in row[16] or ()),
        review_due=row[17],
        restorable=row[18],
        audit_months=audit_months,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
