"""Nights of validation: how far one is, what it came to, and which runs belong to it.

Counts over all models are for those who monitor the platform, by a role that holds `monitoring:read`. Everybody else
is told about the runs that they may see, and neither how many others there are nor into how many batches they are cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.access.reach import everywhere
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.times import iso
from storage.queries.validation import RUN, SOURCE
from storage.queries.visibility import VALIDATION, Visible, visible, visible_at_all

_NIGHT = f"""'id', n.id, 'night', n.night, 'trigger', n.trigger, 'status', n.status,
    'started_at', {iso("n.started_at")}, 'deadline_at', {iso("n.deadline_at")},
    'completed_at', {iso("n.completed_at")}"""
# By their dates, since a missed night may be noted after a later one; lists are continued by a UUID.
_BY_DATE = "lpad(to_hex(n.night - date '1970-01-01'), 32, '0')::uuid"
_NIGHTS = Listing(f"json_build_object({_NIGHT})", "validation_nights n", _BY_DATE)
_ONE = f"select json_build_object({_NIGHT})::text, n.status, n.models, n.batches, n.summary from validation_nights n"
_BATCHES = "select b.status, count(*) from validation_batches b where b.night_id = %(id)s group by b.status"

# A night that ends leaves what it did not reach as errors that nobody judged.
_STATUS = "case when r.status = 'error' and r.judged is null then 'not_reached' else r.status end"

# The runs of a night by status; whose are counted is the condition that follows.
_COUNTS = f"""select {_STATUS}, count(*), count(*) filter (where r.regression_detected)
    from validation_runs r join models m on m.id = r.model_id where r.night_id = %(id)s and """

# Regressed first. Ids are UUIDv7: the first digit is 0 for centuries, so another one sorts a run before all of those.
_REGRESSED_FIRST = "case when r.regression_detected then ('f' || substr(r.id::text, 2))::uuid else r.id end"
_RUNS = Listing(f"json_build_object({RUN})", SOURCE, _REGRESSED_FIRST)

_OVERVIEW = """
    with shown as (select n.id, n.night, n.status from validation_nights n, validation_nights last
        where last.id = %(id)s and n.night <= last.night order by n.night desc limit %(most)s)
    select s.night, s.status, {status}, count(r.id), count(r.id) filter (where r.regression_detected)
    from shown s left join (validation_runs r join models m on m.id = r.model_id and {visible}) on r.night_id = s.id
    group by s.night, s.status, 3 order by s.night"""

STATUSES = ("queued", "running", "measured", "passed", "failed", "error", "insufficient_evidence", "not_reached")
NIGHTS_SHOWN = 30  # in one picture


@dataclass(frozen=True, slots=True)
class NightView:
    """data: JSON. over: whether it has ended."""

    id: str
    data: bytes
    over: bool


@dataclass(frozen=True, slots=True)
class NightCounts:
    """One night of the overview, of what the caller may see. over: whether it has ended."""

    night: date
    over: bool
    counts: dict[str, int]
    regressions: int


def sees_everything(caller: Principal) -> bool:
    """Whether the counts over all models are for the caller."""
    return everywhere(caller, "monitoring:read")


async def night(pool: AsyncConnectionPool, caller: Principal, named: str) -> NightView:
    """One night, by its id or date (YYYY-MM-DD). Who sees no model at all is told zeros. Raises NotFound."""
    condition, value = _naming(named)
    whole = sees_everything(caller)
    may = _counted(caller)
    async with pool.connection() as connection:
        row = await (await connection.execute(f"{_ONE} where {condition}", {"named": value})).fetchone()
        if row is None:
            raise NotFound("night", named[:200])
        shown: dict[str, Any] = orjson.loads(row[0])
        values = {"id": shown["id"], **may.values}
        statement = f"{_COUNTS} {may.listed} group by 1"
        counted = await (await connection.execute(statement, values, prepare=False)).fetchall()
        batches = await (await connection.execute(_BATCHES, values)).fetchall() if whole else []
    _, status, models, total, summary = row
    by_status = dict.fromkeys(STATUSES, 0) | {str(name): int(count) for name, count, _ in counted}
    regressions = sum(int(one) for *_, one in counted)
    settled = sum(by_status[name] for name in ("passed", "failed", "error", "insufficient_evidence"))
    data = {
        **shown,
        "scope": "platform" if whole else "visible",
        "models": models if whole else sum(by_status.values()),
        "models_processed": settled,
        # A missed night has no runs: it reached none of those that were active when it was due.
        "not_reached": models if whole and status == "missed" else by_status["not_reached"],
        "results_summary": {
            "passed": by_status["passed"],
            "failed": by_status["failed"],
            "errors": by_status["error"],
            "insufficient_evidence": by_status["insufficient_evidence"],
            "regressions_detected": regressions,
        },
        "progress": by_status,
        "batches": {
            "total": total,
            **dict.fromkeys(("queued", "running", "done", "given_up"), 0),
            **{str(name): int(count) for name, count in batches},
        }
        if whole
        else None,
        "summary": summary if whole and status != "running" else None,
    }
    return NightView(shown["id"], orjson.dumps(data), status != "running")


async def nights(pool: AsyncConnectionPool, request: PageRequest, *, status: str | None = None) -> Page:
    """All nights, newest first, without counts: that there was one is no secret."""
    where = Conditions()
    where.add("n.status = %(status)s", status=status)
    return await read_page(pool, _NIGHTS, where, request)


async def runs(
    pool: AsyncConnectionPool,
    caller: Principal,
    request: PageRequest,
    named: str,
    *,
    status: str | None = None,
    regressed: bool | None = None,
) -> Page:
    """The runs of a night that the caller may see, regressed ones first, then newest first. Raises NotFound."""
    condition, value = _naming(named)
    async with pool.connection() as connection:
        found = f"select n.id from validation_nights n where {condition}"
        row = await (await connection.execute(found, {"named": value})).fetchone()
    if row is None:
        raise NotFound("night", named[:200])
    where = Conditions()
    where.only(visible(caller, VALIDATION, "m.access_id"))
    where.add("r.night_id = %(night_id)s", night_id=row[0])
    where.add("r.status = %(status)s", status=status)
    where.add("r.regression_detected = %(regressed)s", regressed=regressed)
    return await read_page(pool, _RUNS, where, request)


async def overview(pool: AsyncConnectionPool, caller: Principal, named: str) -> tuple[list[NightCounts], bool]:
    """(a night and those before it, oldest first; whether the counts are over all models). Raises NotFound."""
    view = await night(pool, caller, named)
    may = _counted(caller)
    values = {"id": view.id, "most": NIGHTS_SHOWN, **may.values}
    async with pool.connection() as connection:
        statement = _OVERVIEW.format(visible=may.listed, status=_STATUS)
        rows = await (await connection.execute(statement, values, prepare=False)).fetchall()
    found: dict[date, NightCounts] = {}
    for at, night_status, status, count, regressions in rows:
        one = found.get(at, NightCounts(at, night_status != "running", {}, 0))
        counts = one.counts | ({str(status): int(count)} if status is not None else {})
        found[at] = NightCounts(at, one.over, counts, one.regressions + int(regressions))
    return list(found.values()), sees_everything(caller)


def _counted(caller: Principal) -> Visible:
    """Whose runs are counted."""
    return visible_at_all(None if sees_everything(caller) else caller, VALIDATION, "m.access_id")


def _naming(named: str) -> tuple[str, object]:
    """(condition, value) by which a night is found. Raises NotFound for what names none."""
    if is_id(named):
        return "n.id = %(named)s", named.lower()
    try:
        day = date.fromisoformat(named)
    except ValueError:
        day = None
    if day is None or day.isoformat() != named:
        raise NotFound("night", named[:200])
    return "n.night = %(named)s", day
