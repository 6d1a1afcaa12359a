"""Settled decisions with everything that they were judged by, for the time machine, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import Conflict, NotFound
from governance.models import is_id
from governance.policies import ActivePolicy
from governance.time_machine import Draft, PastDecision, Replay, failing_now, fallen_out, flips, replay
from storage.queries.pages import Conditions
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, visible

MOST_DECISIONS = 10_000
"""Past decisions that one question looks at, the newest ones."""

MOST_CURRENT = 5_000
"""Present versions that one question looks at."""

MOST_LISTED = 1_000
"""Of each kind in one answer; the counts are whole."""

_PAGE = 250

_FIELDS = f"""r.id::text, m.id::text, m.name, v.id::text, v.version, r.transition, r.status, {iso("r.settled_at")},
    r.evidence::text, r.judged_case::text, coalesce(r.verdicts, '[]')::text, v.state"""
_SOURCE = """transition_requests r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id"""
_WHOLE = "r.settled_at is not null and r.evidence is not null and r.judged_case is not null"


async def replayed(pool: AsyncConnectionPool, caller: Principal, request_id: str) -> tuple[PastDecision, Replay]:
    """Raises NotFound, and Conflict for what has no decision to replay."""
    may = visible(caller, HISTORY, "m.access_id")
    row = None
    if is_id(request_id):
        statement = f"select {_FIELDS}, {_WHOLE} from {_SOURCE} where r.id = %(id)s and {may.sql}"
        async with pool.connection() as connection:
            row = await (await connection.execute(statement, {**may.values, "id": request_id})).fetchone()
    if row is None:
        raise NotFound("transition request", request_id[:200])
    if not row[-1]:
        raise Conflict("Nothing was judged here that could be judged again.", details={"status": row[6]})
    past = _past(row)
    return past, await asyncio.to_thread(replay, past)


async def impact(pool: AsyncConnectionPool, caller: Principal | None, draft: Draft, at: datetime) -> dict[str, Any]:
    """What the draft would have decided differently, and which versions in staging and production it would refuse.

    Of what the caller may see; `looked` says at how much, `complete` whether that was everything.
    """
    flipped: list[dict[str, Any]] = []
    looked = current = 0
    last = None
    async for page in _decisions(pool, caller, draft.transitions):
        looked += len(page)
        last = page[-1]
        flipped += await asyncio.to_thread(flips, draft, page)
    fallen: list[dict[str, Any]] = []
    async for present in _present(pool, caller, draft.transitions, ("staging", "production")):
        current += len(present)
        fallen += await asyncio.to_thread(fallen_out, draft, present, at)
    fallen = list({one["versionId"]: one for one in reversed(fallen)}.values())
    return {
        "policy": draft.name,
        "version": draft.after.version if draft.after else None,
        "decisions": {
            "looked": looked,
            "complete": looked < MOST_DECISIONS,
            "since": last.settled_at if last else None,
            "denied": sum(one["wouldBe"] == "denied" for one in flipped),
            "allowed": sum(one["wouldBe"] == "allowed" for one in flipped),
            "flips": flipped[:MOST_LISTED],
        },
        "versions": {
            "looked": current,
            "complete": current < MOST_CURRENT,
            "production": sum(one["state"] == "production" for one in fallen),
            "staging": sum(one["state"] == "staging" for one in fallen),
            "fallOut": fallen[:MOST_LISTED],
        },
    }


async def production_failing(
    pool: AsyncConnectionPool, caller: Principal, policies: tuple[ActivePolicy, ...], at: datetime
) -> tuple[int, list[dict[str, Any]]]:
    """(versions in production that were looked at, what the policies in force refuse of them today)."""
    looked: set[str] = set()
    found: list[dict[str, Any]] = []
    async for present in _present(pool, caller, ["promote_production"], ("production",)):
        looked |= {past.version_id for past, _ in present}
        found += await asyncio.to_thread(failing_now, policies, present, at)
    return len(looked), found


async def _decisions(
    pool: AsyncConnectionPool, caller: Principal | None, transitions: list[str]
) -> AsyncIterator[list[PastDecision]]:
    """Newest first."""
    after, left = None, MOST_DECISIONS
    while left > 0:
        where = Conditions()
        where.only(visible(caller, HISTORY, "m.access_id"))
        where.add("r.id < %(after)s", after=after)
        statement = f"""select {_FIELDS} from {_SOURCE} where {_WHOLE} and r.transition = any(%(transitions)s)
            and {where.sql} order by r.id desc limit %(size)s"""
        values = {**where.values, "transitions": transitions, "size": min(_PAGE, left)}
        async with pool.connection() as connection:
            rows = await (await connection.execute(statement, values, prepare=False)).fetchall()
        if rows:
            yield [_past(row) for row in rows]
        if len(rows) < min(_PAGE, left):
            return
        left -= len(rows)
        after = rows[-1][0]


async def _present(
    pool: AsyncConnectionPool, caller: Principal | None, transitions: list[str], states: tuple[str, ...]
) -> AsyncIterator[list[tuple[PastDecision, str]]]:
    """Versions in these states with their newest applied request of each transition, some versions at a time."""
    after, left = None, MOST_CURRENT
    while left > 0:
        where = Conditions()
        where.only(visible(caller, HISTORY, "m.access_id"))
        where.add("v.id > %(after)s", after=after)
        statement = f"""select distinct on (v.id, r.transition) {_FIELDS}
            from (select v.* from model_versions v join models m on m.id = v.model_id
                  where v.state = any(%(states)s) and {where.sql} order by v.id limit %(size)s) v
            join models m on m.id = v.model_id
            left join transition_requests r on r.version_id = v.id and r.status = 'applied'
                and r.transition = any(%(transitions)s) and {_WHOLE}
            order by v.id, r.transition, r.id desc"""
        values = {**where.values, "transitions": transitions, "states": list(states), "size": min(_PAGE, left)}
        async with pool.connection() as connection:
            rows = await (await connection.execute(statement, values, prepare=False)).fetchall()
        judged = [(_past(row), row[11]) for row in rows if row[0] is not None]
        if judged:
            yield judged
        versions = {row[3] for row in rows}
        if len(versions) < min(_PAGE, left):
            return
        left -= len(versions)
        after = rows[-1][3]


def _past(row: tuple[Any, ...]) -> PastDecision:
    return PastDecision(
        request_id=row[0],
        model_id=row[1],
        model_name=row[2],
        version_id=row[3],
        version=row[4],
        transition=row[5],
        applied=row[6] == "applied",
        settled_at=row[7],
        evidence=orjson.loads(row[8]),
        judged=orjson.loads(row[9]),
        verdicts=orjson.loads(row[10]),
    )
