"""Transition requests with their gates and decisions, as approvers and CI systems read them."""

from __future__ import annotations

from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one, seen
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, visible

SUMMARY = f"""'id', r.id, 'modelId', r.model_id, 'versionId', r.version_id, 'modelName', m.name, 'version', v.version,
    'transition', r.transition, 'status', r.status, 'requestedBy', u.name, 'reason', r.reason, 'attempt', r.attempt,
    'breakGlass', r.break_glass, 'flowRunId', r.flow_run_id, 'evidenceDigest', r.evidence_digest, 'outcome', r.outcome,
    'createdAt', {iso("r.created_at")}, 'updatedAt', {iso("r.updated_at")}, 'settledAt', {iso("r.settled_at")}"""

SOURCE = """transition_requests r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id
    join users u on u.id = r.requester_id"""

# The last request for the same that people sent back, with what they said.
LAST_REVIEW = f"""(select json_build_object('requestId', q.id, 'at', {iso("said.created_at")}, 'by', said.name,
        'comment', said.comment, 'evidence', q.evidence)
    from transition_requests q cross join lateral (
        select a.created_at, a.comment, p.name || coalesce(' for ' || b.name, '') as name
        from approvals a join users p on p.id = a.approver_id left join users b on b.id = a.on_behalf_of
        where a.request_id = q.id and a.evidence_digest = q.evidence_digest and a.decision <> 'approve'
        order by a.created_at desc, a.id desc limit 1) said
    where q.version_id = r.version_id and q.transition = r.transition and q.id < r.id and q.status = 'denied'
    order by q.id desc limit 1)"""

_APPROVALS = f"""(select coalesce(json_agg(json_build_object('id', a.id, 'approver', p.name, 'onBehalfOf', b.name,
    'decision', a.decision, 'comment', a.comment, 'evidenceDigest', a.evidence_digest,
    'counts', a.evidence_digest = r.evidence_digest and a.envelope is not null,
    'at', {iso("a.created_at")}) order by a.created_at, a.id), '[]')
    from approvals a join users p on p.id = a.approver_id left join users b on b.id = a.on_behalf_of
    where a.request_id = r.id)"""

_ONE = f"""select json_build_object({SUMMARY}, 'gates', coalesce(r.verdicts, '[]'), 'evidence', r.evidence,
    'approvals', {_APPROVALS})::text, r.flow_run_id::text from {SOURCE} where r.id = %(id)s and """

_LISTING = Listing(f"json_build_object({SUMMARY})", SOURCE, "r.id")


async def request(pool: AsyncConnectionPool, caller: Principal | None, request_id: str) -> str:
    data, _ = await request_and_run(pool, caller, request_id)
    return data


async def request_and_run(
    pool: AsyncConnectionPool, caller: Principal | None, request_id: str
) -> tuple[str, str | None]:
    """(JSON, id of the flow run that works on it)."""
    may = visible(caller, HISTORY, "m.access_id")
    row = await seen(pool, _ONE, may, "transition request", request_id, id=request_id)
    return str(row[0]), row[1]


async def last_review(pool: AsyncConnectionPool, request_id: str) -> dict[str, Any] | None:
    """{"requestId", "at", "by", "comment", "evidence"}. That the request may be seen has been checked before."""
    row = await one(pool, f"select {LAST_REVIEW} from transition_requests r where r.id = %s", request_id)
    return row[0] if row else None


async def requests(
    pool: AsyncConnectionPool,
    caller: Principal,
    page: PageRequest,
    *,
    model_id: str | None = None,
    version: str | None = None,
    status: str | None = None,
    state: str | None = None,
    transition: str | None = None,
    requester_id: str | None = None,
) -> Page:
    """`status` is the request's own; `state` is that of the version it moves."""
    where = Conditions()
    where.only(visible(caller, HISTORY, "m.access_id"))
    where.add("r.model_id = %(model_id)s", model_id=model_id)
    where.add("v.version = %(version)s", version=version)
    where.add("r.status = %(status)s", status=status)
    where.add("v.state = %(state)s", state=state)
    where.add("r.transition = %(transition)s", transition=transition)
    where.add("r.requester_id = %(requester_id)s", requester_id=requester_id)
    return await read_page(pool, _LISTING, where, page)
