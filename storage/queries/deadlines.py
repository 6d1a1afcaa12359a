"""Findings, freezes, reviews and events, as people and programs read them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.access.reach import everywhere
from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.time_zones import local
from storage.queries.pages import COUNT_LIMIT, Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one, seen
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, PLATFORM, Visible, visible
from storage.repositories.deadlines import window_of

_FINDING = f"""json_build_object('id', f.id, 'modelId', f.model_id, 'versionId', f.version_id, 'version', v.version,
    'kind', f.kind, 'severity', f.severity, 'title', f.title, 'status', f.status, 'requestId', f.request_id,
    'ownerId', f.owner_id, 'owner', o.name, 'openedBy', b.name, 'dueAt', {iso("f.due_at")},
    'overdue', coalesce(f.status = 'open' and f.due_at <= %(at)s, false), 'blocks', f.blocks,
    'modelWide', f.model_wide, 'createdAt', {iso("f.created_at")}, 'closedBy', c.name,
    'closedAt', {iso("f.closed_at")}, 'resolutionKind', f.resolution_kind, 'resolution', f.resolution)"""
_FINDING_SOURCE = """findings f left join models m on m.id = f.model_id
    left join model_versions v on v.id = f.version_id
    left join users o on o.id = f.owner_id left join users b on b.id = f.opened_by
    left join users c on c.id = f.closed_by"""
_FINDINGS = Listing(_FINDING, _FINDING_SOURCE, "f.id")
_ONE_FINDING = f"select {_FINDING}::text from {_FINDING_SOURCE} where f.id = %(id)s and "

_FREEZE = f"""json_build_object('id', w.id, 'name', w.name, 'reason', w.reason, 'startsAt', {iso("w.starts_at")},
    'endsAt', {iso("w.ends_at")}, 'weekly', w.weekly, 'groups', w.groups, 'transitions', w.transitions,
    'riskTiers', w.risk_tiers, 'createdBy', u.name, 'createdAt', {iso("w.created_at")})"""
_FREEZE_SOURCE = "freeze_windows w join users u on u.id = w.created_by"
_FREEZES = Listing(_FREEZE, _FREEZE_SOURCE, "w.id")

_REVIEW = f"""json_build_object('id', w.id, 'modelId', w.model_id, 'modelName', m.name, 'versionId', w.version_id,
    'version', v.version, 'state', v.state, 'riskTier', m.risk_tier, 'requestId', w.request_id, 'status', w.status,
    'dueAt', {iso("w.due_at")}, 'overdue', w.status = 'open' and w.due_at <= %(at)s, 'findingId', w.finding_id,
    'completedBy', u.name, 'completedAt', {iso("w.completed_at")}, 'comment', w.comment)"""
_REVIEW_SOURCE = """reviews w join models m on m.id = w.model_id join model_versions v on v.id = w.version_id
    left join users u on u.id = w.completed_by"""
_REVIEWS = Listing(_REVIEW, _REVIEW_SOURCE, "w.id")
_ONE_REVIEW = f"select {_REVIEW}::text from {_REVIEW_SOURCE} where w.id = %(id)s and "

_EVENT = f"""json_build_object('id', e.id, 'type', e.type, 'time', {iso("e.at")}, 'subjectKind', e.subject_kind,
    'subjectId', e.subject_id, 'modelId', e.model_id, 'data', e.data)"""
_CURSOR = re.compile(r"(\d{1,18})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def _of_models_or_platform(caller: Principal | None, model: str) -> Visible:
    """What is about no model is about the platform: for whoever watches over that by a role, not by a group."""
    may = visible(caller, HISTORY, "m.access_id")
    if caller is None or everywhere(caller, PLATFORM):
        return replace(may, besides=f"{model} is null")
    return may


async def findings(
    pool: AsyncConnectionPool,
    caller: Principal,
    request: PageRequest,
    at: datetime,
    *,
    model_id: str | None = None,
    status: str | None = None,
    overdue: bool | None = None,
    owner_id: str | None = None,
) -> Page:
    where = Conditions(values={"at": at})
    where.only(_of_models_or_platform(caller, "f.model_id"))
    where.add("f.model_id = %(model_id)s", model_id=model_id)
    where.add("f.status = %(status)s", status=status)
    where.add("coalesce(f.status = 'open' and f.due_at <= %(at)s, false) = %(overdue)s", overdue=overdue)
    where.add("f.owner_id = %(owner_id)s", owner_id=owner_id)
    return await read_page(pool, _FINDINGS, where, request)


async def finding(pool: AsyncConnectionPool, caller: Principal | None, finding_id: str, at: datetime) -> str:
    may = _of_models_or_platform(caller, "f.model_id")
    return str((await seen(pool, _ONE_FINDING, may, "finding", finding_id, id=finding_id, at=at))[0])


async def freezes(pool: AsyncConnectionPool, caller: Principal, request: PageRequest, at: datetime) -> Page:
    """Those that stand and are not over, each with when it ends if it is in force at `at`."""
    where = Conditions(values={"at": at})
    where.add("w.lifted_at is null and (w.ends_at is null or w.ends_at > %(at)s)")
    page = await read_page(pool, _FREEZES, where, request)
    zone = await _time_zone(pool, caller)
    shown = [_with_end(item, zone, at) for item in json.loads(page.items)]
    return Page(json.dumps(shown), page.total, page.more, page.has_next, page.next_token, page.request)


async def freeze(pool: AsyncConnectionPool, caller: Principal, window_id: str, at: datetime) -> str:
    """One that was just declared."""
    row = await one(pool, f"select {_FREEZE}::text from {_FREEZE_SOURCE} where w.id = %s", window_id)
    assert row is not None  # noqa: S101  (windows are never deleted)
    return json.dumps(_with_end(json.loads(row[0]), await _time_zone(pool, caller), at))


async def _time_zone(pool: AsyncConnectionPool, caller: Principal) -> str:
    row = await one(pool, "select time_zone from users where id = %s", caller.id)
    return str(row[0]) if row else "UTC"


def _with_end(item: dict[str, object], zone: str, at: datetime) -> dict[str, object]:
    window = window_of({**item, "starts_at": item["startsAt"], "ends_at": item["endsAt"], "risk_tiers": ()})
    until = window.until(at)
    return {
        **item,
        "inForceUntil": rendered(until) if until else None,
        "inForceUntilLocal": local(until, zone) if until else None,
        "timeZone": zone,
    }


async def reviews(
    pool: AsyncConnectionPool,
    caller: Principal,
    request: PageRequest,
    at: datetime,
    *,
    model_id: str | None = None,
    status: str | None = None,
    overdue: bool | None = None,
) -> Page:
    where = Conditions(values={"at": at})
    where.only(visible(caller, HISTORY, "m.access_id"))
    where.add("w.model_id = %(model_id)s", model_id=model_id)
    where.add("w.status = %(status)s", status=status)
    where.add("(w.status = 'open' and w.due_at <= %(at)s) = %(overdue)s", overdue=overdue)
    return await read_page(pool, _REVIEWS, where, request)


async def review(pool: AsyncConnectionPool, review_id: str, at: datetime) -> str:
    """One that was just planned."""
    may = visible(None, HISTORY, "m.access_id")
    return str((await seen(pool, _ONE_REVIEW, may, "review", review_id, id=review_id, at=at))[0])


async def events(
    pool: AsyncConnectionPool,
    caller: Principal,
    request: PageRequest,
    *,
    model_id: str | None = None,
    kind: str | None = None,
) -> Page:
    """Oldest first, after the cursor in `request.token`; the next one is there also when nothing follows yet.

    The order is that of transactions, and none is shown before all earlier ones have ended, so that a reader who
    keeps the cursor misses nothing and sees nothing twice. What is an hour old is shown in any case: after the data
    moved to another server, transactions count anew, and readers begin again without a cursor.
    """
    where = Conditions()
    where.only(_of_models_or_platform(caller, "e.model_id"))
    where.add("e.model_id = %(model_id)s", model_id=model_id)
    where.add("e.type = %(kind)s", kind=kind)
    where.add("(e.xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint or e.at < now() - interval '1 hour')")
    if request.token is not None:
        xact, identifier = _place(request.token)
        where.add("(e.xact, e.id) > (%(xact)s, %(event)s::uuid)", xact=xact, event=identifier)
    statement = f"""
        with found as materialized (
            select e.xact, e.id, {_EVENT} as item from events e left join models m on m.id = e.model_id
            where {where.sql} order by e.xact, e.id limit %(size)s + 1),
        shown as (select * from found order by xact, id limit %(size)s)
        select (select coalesce(json_agg(item order by xact, id), '[]')::text from shown),
            (select xact || '-' || id from shown order by xact desc, id desc limit 1),
            (select count(*) from found),
            (select count(*) from (select 1 from events e left join models m on m.id = e.model_id
                where {where.sql} limit %(count_limit)s) counted)
    """
    values = {**where.values, "size": request.size, "count_limit": COUNT_LIMIT + 1}
    async with pool.connection() as connection:
        row = await (await connection.execute(statement, values, prepare=False)).fetchone()
    assert row is not None  # noqa: S101  (a select without FROM has one row)
    items, last, found, total = row
    cursor, more = last or request.token, found > request.size
    return Page(items, min(total, COUNT_LIMIT), total > COUNT_LIMIT, more, cursor, request)


def _place(token: str) -> tuple[int, str]:
    match = _CURSOR.fullmatch(token)
    if match is None:
        raise InvalidInput("This cursor was not made by this server.", details={"field": "after"})
    return int(match[1]), match[2]
