"""Figures about the whole platform, of what the caller may see, for whoever watches it (`GET /metrics`).

`inferences` has the busiest versions by name and the others as one, so that there are never more than BUSIEST series.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries.visibility import visible

BUSIEST = 100
WATCHING = ("monitoring:read",)
MOST_COUNTED = 100_000

_REQUESTS = """select r.status, count(*) from transition_requests r join models m on m.id = r.model_id
    where r.status in ('open', 'judging', 'awaiting_approval') and {visible} group by 1"""
_FINDINGS = """select f.severity, count(*) from findings f join models m on m.id = f.model_id
    where f.status = 'open' and {visible} group by 1"""
_VERSIONS = """select v.state, count(*) from model_versions v join models m on m.id = v.model_id
    where {visible} group by 1"""
# Of the newest night that is over, or of the one that runs: runs of what the caller may see, by status.
_NIGHT = """select r.status, count(*) from validation_runs r join models m on m.id = r.model_id
    where r.night_id = (select id from validation_nights order by night desc limit 1) and {visible} group by 1"""
_NIGHT_BEGAN = "select extract(epoch from max(started_at))::bigint from validation_nights where status <> 'missed'"
_WAITING = f"select count(*) from (select 1 from audit_outbox limit {MOST_COUNTED}) waiting"
_TOTALS = """from inference_totals t join model_versions v on v.id = t.version_id join models m on m.id = v.model_id
    where {visible}"""
_BUSIEST = f"""select m."group" || '/' || m.name, v.version, t.points, t.successes, t.sum_ns {_TOTALS}
    order by t.points desc, v.id limit {BUSIEST}"""
_EVERYTHING = f"select coalesce(sum(t.points), 0), coalesce(sum(t.successes), 0), coalesce(sum(t.sum_ns), 0) {_TOTALS}"


@dataclass(frozen=True, slots=True)
class Inferences:
    """Since the first report. model: group/name; both are "other" for those that are not among the busiest."""

    model: str
    version: str
    successes: int
    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """open_requests by status, open_findings by severity, versions by state; audit_waiting: entries not yet in order,
    counted up to MOST_COUNTED. night_runs: of the newest night, by status; night_began: of the newest one that was not
    missed, in seconds since 1970.
    """

    open_requests: dict[str, int]
    open_findings: dict[str, int]
    versions: dict[str, int]
    audit_waiting: int
    night_runs: dict[str, int]
    night_began: int | None
    inferences: tuple[Inferences, ...]


async def figures(pool: AsyncConnectionPool, caller: Principal) -> Figures:
    """Of one moment."""
    may = visible(caller, WATCHING, "m.access_id")
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("set transaction isolation level repeatable read read only")

        async def rows(statement: str) -> list[tuple[object, ...]]:
            cursor = await connection.execute(statement.format(visible=may.listed), may.values, prepare=False)
            return await cursor.fetchall()

        requests, findings, versions = await rows(_REQUESTS), await rows(_FINDINGS), await rows(_VERSIONS)
        night, began = await rows(_NIGHT), await rows(_NIGHT_BEGAN)
        waiting, busiest, everything = await rows(_WAITING), await rows(_BUSIEST), await rows(_EVERYTHING)
    named = [_inferences(str(row[0]), str(row[1]), *map(_whole, row[2:])) for row in busiest]
    left = [_whole(all_) - sum(_whole(row[at]) for row in busiest) for at, all_ in enumerate(everything[0], start=2)]
    if left[0]:
        named.append(_inferences("other", "other", *left))
    return Figures(
        {str(status): _whole(count) for status, count in requests},
        {str(severity): _whole(count) for severity, count in findings},
        {str(state): _whole(count) for state, count in versions},
        _whole(waiting[0][0]),
        {str(status): _whole(count) for status, count in night},
        _whole(began[0][0]) if began[0][0] is not None else None,
        tuple(named),
    )


def _inferences(model: str, version: str, points: int, successes: int, sum_ns: int) -> Inferences:
    return Inferences(model, version, successes, points - successes, sum_ns / 1e9)


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]  # bigint or numeric without a fraction
