"""The rows that pictures of validation are made of (`governance.validation.pictures`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import NotFound
from governance.validation import pictures
from governance.validation.pictures import Picture
from storage.queries import nights
from storage.queries.times import iso
from storage.queries.validation import SOURCE, run_row

RUNS_SHOWN = 60  # in one series

_LABEL = f"coalesce(n.night::text, left({iso('coalesce(r.completed_at, r.created_at)')}, 16))"
_ONE = f"""select json_build_object('label', {_LABEL}, 'measured', r.measured, 'judged', r.judged)::text,
    r.id::text, r.completed_at is not null from {SOURCE} where"""

# The runs of a version until one of them, with no more of each than a series shows.
_SERIES = f"""
    select coalesce(json_agg(json_build_object('label', {_LABEL},
        'measured', json_build_object('suites', (select coalesce(json_agg(s.item - 'results' - 'measurement'), '[]')
            from jsonb_array_elements(coalesce(r.measured -> 'suites', '[]')) s(item)
            where s.item ->> 'suite_id' = %(suite_id)s)),
        'judged', json_build_object('suites', json_build_object(%(suite_id)s::text,
            coalesce((r.judged -> 'suites' -> %(suite_id)s::text) - 'detector', '{{}}')))
        ) order by r.completed_at, r.id), '[]')::text
    from {SOURCE} where r.id in (
        select o.id from validation_runs o join validation_runs last on last.version_id = o.version_id
        where last.id = %(id)s and o.completed_at <= last.completed_at
        order by o.completed_at desc, o.id desc limit {RUNS_SHOWN})"""

_OF_ONE_RUN: dict[str, Callable[[Mapping[str, Any], str], Picture | None]] = {
    "slices": pictures.forest,
    "reliability": pictures.reliability,
}
OF_RUNS = ("series", *_OF_ONE_RUN)


async def of_run(
    pool: AsyncConnectionPool, caller: Principal, named: str, chart: str, suite_id: str | None
) -> tuple[Picture, bool]:
    """(what is to be drawn, whether it will stay so). Raises NotFound, also where the run has nothing to draw."""
    row = await run_row(pool, caller, named, _ONE)
    run, settled = orjson.loads(row[0]), bool(row[2])
    shown = suite_id if suite_id is not None else pictures.suite_to_show(run)
    found: Picture | None = None
    if shown is not None and chart in _OF_ONE_RUN:
        found = _OF_ONE_RUN[chart](run, shown)
    elif shown is not None and chart == "series" and settled:
        found = pictures.series(await _series(pool, row[1], shown), shown)
    if found is None:
        raise NotFound("chart", chart)
    return found, settled


async def _series(pool: AsyncConnectionPool, run_id: str, suite_id: str) -> Sequence[Mapping[str, Any]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(_SERIES, {"id": run_id, "suite_id": suite_id}, prepare=False)
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101  (an aggregate has one row)
    found: list[dict[str, Any]] = orjson.loads(row[0])
    return found


async def of_night(pool: AsyncConnectionPool, caller: Principal, named: str) -> tuple[Picture, bool]:
    """(what is to be drawn, whether it will stay so): counts of what one may see may change with one's access."""
    found, everything = await nights.overview(pool, caller, named)
    drawn = pictures.overview((one.night.isoformat(), one.counts, one.regressions) for one in found)
    return drawn, everything and all(one.over for one in found)
