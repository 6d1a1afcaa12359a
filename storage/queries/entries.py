"""The entries of the enterprise registry as its routes show them (enterprise registry, Model Registry Management).

An entry is a version. What the registry has no column for is read from the version's metadata, where it may stand in
snake_case or camelCase; a value of another type than the documented one counts as absent. Where a version serves, its
deployment says its target and its share; metadata is only a plan.
"""

from __future__ import annotations

from typing import Literal

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.monitoring.health import p95_objective
from storage.queries.enterprise import Entry
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso
from storage.queries.visibility import MODEL, visible

Status = Literal["development", "canary", "stable", "deprecated", "retired"]
STATUSES: tuple[Status, ...] = ("development", "canary", "stable", "deprecated", "retired")
DOCUMENTED_TYPES = ("transformer", "ensemble", "traditional_ml")
MOST_TYPES = 200


def _text(snake: str, camel: str) -> str:
    return (
        "coalesce("
        + ", ".join(
            f"case when jsonb_typeof(v.metadata -> '{name}') = 'string' then nullif(v.metadata ->> '{name}', '') end"
            for name in (snake, camel)
        )
        + ")"
    )


def _number(snake: str, camel: str, condition: str) -> str:
    """condition: on the number `n`. The cast happens only once the type is known, which `case` guarantees."""
    return (
        "coalesce("
        + ", ".join(
            f"case when jsonb_typeof(v.metadata -> '{name}') = 'number' then "
            f"(select n from (select (v.metadata ->> '{name}')::numeric) given (n) where {condition}) end"
            for name in (snake, camel)
        )
        + ")"
    )


TYPE = _text("model_type", "modelType")
SPORT = _text("sport", "sport")
# Where it serves; production before anything else.
_SERVING = """select d.environment, d.traffic_percent from deployments d where d.version_id = v.id
    order by d.environment = 'production' desc, d.environment limit 1"""
STATUS = """case v.state when 'draft' then 'development' when 'submitted' then 'development'
    when 'changes_requested' then 'development' when 'deprecated' then 'deprecated' when 'retired' then 'retired'
    when 'production' then case when exists (select 1 from deployments d where d.version_id = v.id
        and d.environment = 'production' and d.traffic_percent < 100) then 'canary' else 'stable' end
    else 'canary' end"""
_FIELDS = f"""'model_id', v.id, 'name', m.name, 'version', v.version, 'model_type', {TYPE}, 'status', {STATUS},
    'description', coalesce({_text("description", "description")}, m.description), 'sport', {SPORT},
    'created_at', {iso("v.created_at")}, 'updated_at', {iso("v.updated_at")}, 'created_by', u.name,
    'deployment_target', coalesce((select environment from ({_SERVING}) serving),
        {_text("deployment_target", "deploymentTarget")}),
    'feature_flag_id', {_text("feature_flag_id", "featureFlagId")},
    'rollout_percentage', coalesce((select traffic_percent::numeric from ({_SERVING}) serving),
        {_number("rollout_percentage", "rolloutPercentage", "n between 0 and 100")})::float8,
    'retention_days', {_number("retention_days", "retentionDays", "n between 1 and 100000 and n = trunc(n)")}::integer,
    'registered_model_id', v.model_id, 'state', v.state"""
_SOURCE = "model_versions v join models m on m.id = v.model_id join users u on u.id = v.created_by"
_ENTRIES = Listing(f"json_build_object({_FIELDS})", _SOURCE, "v.id")
_ONE = f"select json_build_object({_FIELDS})::text from {_SOURCE} where v.id = %s"
_SERVED = f"select {STATUS}, v.metadata from {_SOURCE} where v.id = %s"
_TYPES = f"""select distinct {TYPE} from model_versions v join models m on m.id = v.model_id
    where (v.metadata ? 'model_type' or v.metadata ? 'modelType') and {TYPE} is not null and {{visible}}
    order by 1 limit {MOST_TYPES}"""


async def entries(
    pool: AsyncConnectionPool,
    caller: Principal,
    page: PageRequest,
    *,
    status: Status | None = None,
    model_type: str | None = None,
    sport: str | None = None,
) -> Page:
    where = Conditions()
    where.only(visible(caller, MODEL, "m.access_id"))
    where.add(f"{STATUS} = %(status)s", status=status)
    where.add(f"{TYPE} = %(model_type)s", model_type=model_type)
    where.add(f"{SPORT} = %(sport)s", sport=sport)
    return await read_page(pool, _ENTRIES, where, page)


async def entry(pool: AsyncConnectionPool, found: Entry) -> str:
    """JSON of an entry that the caller may see (`entry_named`)."""
    row = await one(pool, _ONE, found.version_id)
    assert row is not None  # noqa: S101  (versions are never deleted)
    return str(row[0])


async def served(pool: AsyncConnectionPool, found: Entry) -> tuple[str, float | None]:
    """(status, objective for the 95th percentile in milliseconds)."""
    row = await one(pool, _SERVED, found.version_id)
    assert row is not None  # noqa: S101  (versions are never deleted)
    return str(row[0]), p95_objective(row[1])


async def model_types(pool: AsyncConnectionPool, caller: Principal) -> list[str]:
    """The documented ones, then what else is in use among the entries that the caller may see."""
    may = visible(caller, MODEL, "m.access_id")
    async with pool.connection() as connection:
        cursor = await connection.execute(_TYPES.format(visible=may.listed), may.values, prepare=False)
        used = [str(row[0]) for row in await cursor.fetchall()]
    return [*DOCUMENTED_TYPES, *(name for name in used if name not in DOCUMENTED_TYPES)]
