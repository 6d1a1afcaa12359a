"""Validation runs, their history and what it says about regressions (enterprise registry, Validation and Testing).

Entries of the enterprise registry are versions, so `model_id` is the id of a version here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.canonical import rendered
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.enterprise import Entry
from storage.queries.registry import one
from storage.queries.times import iso
from storage.queries.visibility import DATASET, VALIDATION, Visible, visible, visible_at_all

MOST_RUNS = 1_000  # of one answer
RECENT_DAYS = 14  # what the recent rate stands on, however few days are asked for
_LONGEST_RUN_ID = 200
# Whose comparisons say something; `governance.regression` has a third conclusion, which does not.
_DECIDED = ("regression", "no_regression")
_THE_BASELINE = "It is the baseline itself, on the same examples."  # as older runs tell it

RUN = f"""'id', r.id, 'run_id', r.run_id, 'model_id', r.version_id, 'name', m.name, 'version', v.version,
    'status', r.status, 'reason', r.reason, 'night', n.night, 'created_at', {iso("r.created_at")},
    'started_at', {iso("r.started_at")}, 'completed_at', {iso("r.completed_at")}, 'total_tests', r.total_tests,
    'passed_tests', r.passed_tests, 'failed_tests', r.failed_tests, 'error_tests', r.error_tests,
    'undecided_tests', r.undecided_tests, 'regression_detected', r.regression_detected,
    'regression_severity', r.regression_severity"""
SOURCE = """validation_runs r join model_versions v on v.id = r.version_id join models m on m.id = r.model_id
    left join validation_nights n on n.id = r.night_id"""

# The state of a detector is for the next night, not for people.
_JUDGED = """case when r.judged is null then null else r.judged || jsonb_build_object('suites', (
    select coalesce(jsonb_object_agg(j.key, j.value - 'detector'), '{}')
    from jsonb_each(coalesce(r.judged -> 'suites', '{}')) j),
    'latency', case when jsonb_typeof(r.judged -> 'latency') = 'object'
        then (r.judged -> 'latency') - 'state' end) end"""
# What was found in a dataset is for those who may read it; others are told whether it is in order, and by how much.
_READABLE = """exists (select 1 from datasets d
    where d.id = (one.item ->> 'dataset_id')::uuid and {may})"""
_DATA = """(select coalesce(jsonb_agg(one.item || jsonb_build_object('failed', told.failed)
        || case when {readable} then '{{}}' else jsonb_build_object('dataset_id', null, 'dataset', null, 'rows', null,
            'failures', '[]'::jsonb, 'reason', case
                when one.item ->> 'status' = 'error' then 'A dataset that you may not read could not be checked.'
                when told.failed > 0 or one.item ->> 'status' = 'failed'
                then 'Expectations of a dataset that you may not read do not hold.' end) end
        order by one.place), '[]')
    from jsonb_array_elements(coalesce(r.measured -> 'data', '[]')) with ordinality one(item, place)
    cross join lateral (select jsonb_array_length(coalesce(one.item -> 'failures', '[]')) as failed) told)"""
# Tests of data tell their dataset's id and no figures.
_TESTS = """(select coalesce(jsonb_agg(case when one.item ->> 'dataset_id' is not null and not {readable}
            then one.item || jsonb_build_object('id', 'data', 'title', 'Data', 'dataset_id', null)
            else one.item end order by one.place), '[]')
    from jsonb_array_elements(coalesce(r.tests, '[]')) with ordinality one(item, place))"""
_MEASURED = """case when r.measured is null then null else r.measured || jsonb_build_object('suites', (
    select coalesce(jsonb_agg(case when jsonb_typeof(s.item -> 'measurement') = 'object'
        then jsonb_set(s.item, '{{measurement}}', (s.item -> 'measurement') - 'detector') else s.item end
        order by s.place), '[]')
    from jsonb_array_elements(coalesce(r.measured -> 'suites', '[]')) with ordinality s(item, place)),
    'latency', case when jsonb_typeof(r.measured -> 'latency') = 'object' then (r.measured -> 'latency') - 'state' end,
    'data', {data}) end"""

_HISTORY = f"""
    with found as materialized (
        select r.id, r.created_at from validation_runs r
        where r.version_id = %(version_id)s and r.created_at >= %(since)s
        order by r.created_at desc, r.id desc limit %(most)s + 1)
    select coalesce(json_agg(json_build_object({RUN}) order by r.created_at desc, r.id desc), '[]')::text,
        (select count(*) from found)
    from {SOURCE} where r.id in (select id from found order by created_at desc, id desc limit %(most)s)"""

# What one suite came to in one run: the difference to its baseline with everything that says how sure it is.
_COMPARED = f"""(select coalesce(json_agg(json_build_object('suite_id', s.item ->> 'suite_id',
        'suite', s.item ->> 'suite', 'status', s.item ->> 'status', 'score', s.item -> 'score', 'n', s.item -> 'n',
        'kind_of_score', s.item -> 'measurement' -> 'overall' -> 'kind', 'lower_is_better', s.item -> 'lower_is_better',
        'baseline', s.item -> 'baseline', 'not_compared', s.item -> 'not_compared',
        'is_baseline', coalesce(s.item -> 'is_baseline', to_jsonb(s.item ->> 'not_compared' = '{_THE_BASELINE}')),
        'conclusion', j.found -> 'conclusion', 'severity', j.found -> 'severity', 'evidence', j.found -> 'evidence',
        'drop', j.found -> 'drop', 'lower', j.found -> 'lower', 'upper', j.found -> 'upper', 'p', j.found -> 'p',
        'q', j.found -> 'q', 'minimum_detectable_effect', j.found -> 'minimum_detectable_effect')
        order by s.place), '[]')
    from jsonb_array_elements(coalesce(r.measured -> 'suites', '[]'))
        with ordinality s(item, place)
    cross join lateral (select r.judged -> 'suites' -> (s.item ->> 'suite_id') as found) j)"""
_OUTCOMES = f"""
    select coalesce(json_agg(json_build_object({RUN}, 'suites', {_COMPARED})
        order by r.created_at desc, r.id desc), '[]')::text
    from {SOURCE} where r.id in (select o.id from validation_runs o
        where o.version_id = %(version_id)s and o.completed_at > %(since)s
        order by o.created_at desc, o.id desc limit %(most)s + 1)"""


async def run(pool: AsyncConnectionPool, caller: Principal, named: str, *, started: bool = False) -> str:
    """A run, by its id or its documented name. started: by the caller, who is shown it in any case. Raises NotFound."""
    may = visible_at_all(caller, DATASET, "d.access_id", named="data")
    return str((await run_row(pool, None if started else caller, named, _one(may), **may.values))[0])


def _one(readable: Visible) -> str:
    """Whatever the caller may read of the run's datasets; ends with its `where`."""
    inside = _READABLE.format(may=readable.sql)
    measured = _MEASURED.format(data=_DATA.format(readable=inside))
    return f"""select json_build_object({RUN}, 'night_id', r.night_id, 'test_case_ids', r.case_ids,
            'requested_by', u.name, 'attempt', r.attempt, 'tests', {_TESTS.format(readable=inside)},
            'measured', {measured}, 'judged', {_JUDGED})::text
        from {SOURCE} left join users u on u.id = r.requested_by where """


async def run_status(pool: AsyncConnectionPool, run_id: str) -> tuple[str, bool]:
    """(status, whether it has ended) of a run that the caller has asked for. Cheap enough to look again and again."""
    row = await one(pool, "select status, completed_at is not null from validation_runs where id = %s", run_id)
    assert row is not None  # noqa: S101  (runs are never deleted)
    return str(row[0]), bool(row[1])


async def run_row(
    pool: AsyncConnectionPool, caller: Principal | None, named: str, statement: str, **values: Any
) -> tuple[Any, ...]:
    """The row of a statement about one run, which ends with its `where`. Raises NotFound."""
    may = visible(caller, VALIDATION, "m.access_id")
    row = None
    if named.isprintable() and len(named) <= _LONGEST_RUN_ID:
        by = "r.id = %(named)s::uuid" if is_id(named) else "r.run_id = %(named)s"  # each has an index of its own
        async with pool.connection() as connection:
            cursor = await connection.execute(
                f"{statement} {by} and {may.sql}", {"named": named, **values, **may.values}
            )
            row = await cursor.fetchone()
    if row is None:
        raise NotFound("validation run", named[:_LONGEST_RUN_ID])
    return row


async def history(pool: AsyncConnectionPool, entry: Entry, at: datetime, days: int) -> bytes:
    """The runs of an entry that the caller may see, newest first, at most MOST_RUNS."""
    values = {"version_id": entry.version_id, "since": at - timedelta(days=days), "most": MOST_RUNS}
    async with pool.connection() as connection:
        row = await (await connection.execute(_HISTORY, values, prepare=False)).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has one row)
    head = orjson.dumps({"model_id": entry.version_id, "period_days": days, "truncated": row[1] > MOST_RUNS})
    return head[:-1] + b',"validation_runs":' + str(row[0]).encode() + b"}"


async def report(pool: AsyncConnectionPool, entry: Entry, at: datetime, days: int) -> dict[str, Any]:
    """How often an entry that the caller may see was worse than its baseline, with the runs that say so."""
    since = at - timedelta(days=max(days, RECENT_DAYS))
    values = {"version_id": entry.version_id, "since": since, "most": MOST_RUNS}
    async with pool.connection() as connection:
        row = await (await connection.execute(_OUTCOMES, values, prepare=False)).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has one row)
    return await asyncio.to_thread(_report, entry, orjson.loads(row[0]), at, days)  # a slope over up to 1,000 runs


def _report(entry: Entry, runs: Sequence[Mapping[str, Any]], at: datetime, days: int) -> dict[str, Any]:
    from governance.regression.report import NightOutcome, regression_report  # scipy, which the API starts without

    suite_id = _main_suite(runs)
    sign = -1.0 if suite_id is not None and _lower_is_better(runs, suite_id) else 1.0
    outcomes = [
        NightOutcome(
            at=datetime.fromisoformat(run["completed_at"]),
            evaluated=_evaluated(run),
            regressed=run["regression_detected"],
            severity=run["regression_severity"],
            value=_score(run, suite_id, sign),
        )
        for run in reversed(runs)
    ]
    found = regression_report(outcomes, at, days).to_json()
    del found["days"]
    since = rendered(at - timedelta(days=days))
    shown = [run for run in runs if run["completed_at"] > since]
    return {
        "model_id": entry.version_id,
        "name": entry.name,
        "version": entry.version,
        "period_days": days,
        **found,
        "truncated": len(shown) > MOST_RUNS,
        "runs": shown[:MOST_RUNS],
    }


def _evaluated(run: Mapping[str, Any]) -> bool:
    """Whether the run could have shown a regression: a comparison was decided, or there is nothing to be worse than
    since it is the baseline itself. One that was detected, if only in its latency, is counted in any case.
    """
    if run["regression_detected"]:
        return True
    return run["status"] != "insufficient_evidence" and any(
        suite["conclusion"] in _DECIDED or suite["is_baseline"] for suite in run["suites"]
    )


def _main_suite(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """The suite that was scored most often: a trend is that of one score."""
    scored = Counter(suite["suite_id"] for run in runs for suite in run["suites"] if suite["score"] is not None)
    return min(scored, key=lambda suite_id: (-scored[suite_id], suite_id), default=None)


def _lower_is_better(runs: Sequence[Mapping[str, Any]], suite_id: str) -> bool:
    """Whether the suite's score is a loss. Older runs do not tell, and only a comparison gave it away."""
    found = [suite for run in runs for suite in run["suites"] if suite["suite_id"] == suite_id]
    told = [suite["lower_is_better"] for suite in found if suite["lower_is_better"] is not None]
    return bool(told[0]) if told else any(suite["kind_of_score"] == "losses" for suite in found)


def _score(run: Mapping[str, Any], suite_id: str | None, sign: float) -> float | None:
    """sign: so that larger is better, and a mean loss counts downwards."""
    suite = next((item for item in run["suites"] if item["suite_id"] == suite_id), None)
    return sign * float(suite["score"]) if suite is not None and suite["score"] is not None else None
