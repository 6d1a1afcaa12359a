"""Changes of policies, what policies said in decisions, and trial evaluations, as the routes show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import Forbidden, NotFound
from governance.models import is_id
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, Visible, visible

_CHANGE_FIELDS = f"""'id', c.id, 'policy', c.policy, 'version', c.version, 'action', c.action, 'state', c.state,
    'reason', c.reason, 'digest', c.digest, 'before', c.before, 'after', c.after, 'proposedBy', p.name,
    'proposedAt', {iso("c.proposed_at")}, 'decidedBy', d.name, 'decidedAt', {iso("c.decided_at")},
    'comment', c.comment, 'auditEntries', json_build_object('proposed', c.proposed_entry, 'decided', c.decided_entry)"""
_CHANGE_SOURCE = """policy_changes c join users p on p.id = c.proposed_by left join users d on d.id = c.decided_by"""
_CHANGES = Listing(f"json_build_object({_CHANGE_FIELDS})", _CHANGE_SOURCE, "c.id")
_CHANGE = f"select json_build_object({_CHANGE_FIELDS})::text from {_CHANGE_SOURCE} where c.id = %s"

# One row for each verdict of a settled request.
_VERDICTS = """transition_requests r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id
    cross join lateral jsonb_array_elements(r.verdicts) g"""
_VIOLATIONS = """transition_requests r join model_versions v on v.id = r.version_id
    join models m on m.id = r.model_id
    cross join lateral (select value from jsonb_array_elements(r.verdicts) where value ->> 'policy' = %(policy)s
        and value ->> 'outcome' <> 'passed' limit 1) g"""
_SETTLED = "r.settled_at is not null and r.verdicts is not null"
_FAILED = "g.value ->> 'outcome' <> 'passed'"
_OVERRIDDEN = """(g.value ->> 'enforcement' = 'soft' and coalesce(r.judged_case -> 'waived', '[]')
    @> jsonb_build_array(jsonb_build_array(g.value -> 'policy', g.value -> 'policyVersion')))"""
_VIOLATION = f"""json_build_object('requestId', r.id, 'modelId', r.model_id, 'modelName', m.name,
    'versionId', r.version_id, 'version', v.version, 'transition', r.transition, 'status', r.status,
    'policyVersion', (g.value ->> 'policyVersion')::int,
    'enforcement', coalesce(g.value ->> 'enforcement', 'hard'), 'outcome', g.value ->> 'outcome',
    'reasons', g.value -> 'reasons', 'overridden', {_OVERRIDDEN}, 'settledAt', {iso("r.settled_at")})"""
_COUNTS = f"""count(*) filter (where g.value ->> 'outcome' = 'passed') as passed,
    count(*) filter (where g.value ->> 'outcome' = 'failed') as failed,
    count(*) filter (where g.value ->> 'outcome' = 'unknown') as unknown,
    count(*) filter (where {_FAILED} and {_OVERRIDDEN}) as overridden"""

RECENT = 10
"""Violations in a report."""


async def change(pool: AsyncConnectionPool, change_id: str) -> str:
    row = await one(pool, _CHANGE, change_id) if is_id(change_id) else None
    if row is None:
        raise NotFound("policy change", change_id[:200])
    return str(row[0])


async def changes(
    pool: AsyncConnectionPool, page: PageRequest, *, policy: str | None = None, state: str | None = None
) -> Page:
    where = Conditions()
    where.add("c.policy = %(policy)s", policy=policy)
    where.add("c.state = %(state)s", state=state)
    return await read_page(pool, _CHANGES, where, page)


async def violations(pool: AsyncConnectionPool, caller: Principal, policy: str, page: PageRequest) -> Page:
    """The verdicts of the policy that were not passes, in decisions that the caller may see."""
    where = Conditions()
    where.only(visible(caller, HISTORY, "m.access_id"))
    where.add(_SETTLED)
    where.values["policy"] = policy
    return await read_page(pool, Listing(_VIOLATION, _VIOLATIONS, "r.id"), where, page)


async def report(pool: AsyncConnectionPool, caller: Principal, policy: str) -> dict[str, Any]:
    """{"total": counts, "byVersion": [counts of each version], "recent": JSON text of the newest violations}."""
    may = visible(caller, HISTORY, "m.access_id")
    statement = f"""select (g.value ->> 'policyVersion')::int, {_COUNTS}, {iso("max(r.settled_at)")} from {_VERDICTS}
        where {may.listed} and {_SETTLED} and g.value ->> 'policy' = %(policy)s group by 1 order by 1 desc
        limit 100"""
    async with pool.connection() as connection:
        rows = await (await connection.execute(statement, {**may.values, "policy": policy}, prepare=False)).fetchall()
    by_version = [{"version": row[0], **_counted(row[1:5]), "lastJudgedAt": row[5]} for row in rows]
    recent = await violations(pool, caller, policy, PageRequest(size=RECENT))
    total = {name: sum(one[name] for one in by_version) for name in ("passed", "failed", "unknown", "overridden")}
    return {"total": total, "byVersion": by_version, "recent": recent.items}


async def counts(
    pool: AsyncConnectionPool, caller: Principal, since: datetime, until: datetime
) -> dict[str, dict[str, int]]:
    """By policy, over the decisions settled from `since` to before `until` that the caller may see."""
    may = visible(caller, HISTORY, "m.access_id")
    statement = f"""select g.value ->> 'policy', {_COUNTS} from {_VERDICTS} where {may.listed} and {_SETTLED}
        and r.settled_at >= %(since)s and r.settled_at < %(until)s group by 1 order by 1"""
    values = {**may.values, "since": since, "until": until}
    async with pool.connection() as connection:
        rows = await (await connection.execute(statement, values, prepare=False)).fetchall()
    return {row[0]: _counted(row[1:]) for row in rows}


def _counted(row: tuple[Any, ...]) -> dict[str, int]:
    return dict(zip(("passed", "failed", "unknown", "overridden"), row, strict=True))


def _history(caller: Principal, evaluation_id: str) -> Visible:
    """Policies are everybody's, so whoever sees no history at all is not told that this one is there."""
    try:
        return visible(caller, HISTORY, "m.access_id")
    except Forbidden:
        raise NotFound("policy evaluation", evaluation_id) from None


async def evaluation(pool: AsyncConnectionPool, caller: Principal, evaluation_id: str) -> str:
    """A stored answer: about a version whose model the caller may see, or their own about given evidence."""
    row = None
    if is_id(evaluation_id):
        statement = "select answer::text, model_id is null, requested_by::text from policy_evaluations where id = %s"
        row = await one(pool, statement, evaluation_id)
    if row is not None and not row[1]:
        may = _history(caller, evaluation_id)
        seen = f"""select e.answer::text, false, e.requested_by::text from policy_evaluations e
            join models m on m.id = e.model_id where e.id = %(id)s and {may.sql}"""
        async with pool.connection() as connection:
            row = await (await connection.execute(seen, {**may.values, "id": evaluation_id})).fetchone()
    elif row is not None and row[2] != caller.id:
        row = None
    if row is None:
        raise NotFound("policy evaluation", evaluation_id[:200])
    return str(row[0])
