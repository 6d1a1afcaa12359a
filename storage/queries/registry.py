"""Models, versions, artifacts and what serves where, as the routes show them (governance-design, Core Entities)."""

from __future__ import annotations

from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import NotFound
from governance.models import is_id
from storage.queries.pages import Conditions, Listing, Page, PageRequest, like_pattern, read_page
from storage.queries.times import iso
from storage.queries.visibility import HISTORY, MODEL, TRAFFIC, Visible, visible

_MODEL_FIELDS = f"""'id', m.id, 'name', m.name, 'group', m."group", 'description', m.description,
    'owners', m.owners, 'riskTier', m.risk_tier, 'tags', m.tags, 'createdAt', {iso("m.created_at")},
    'updatedAt', {iso("m.updated_at")}"""

ARTIFACT = f"""json_build_object('id', a.id, 'versionId', a.version_id, 'type', a.type, 'name', a.name,
    'mediaType', a.media_type, 'uri', a.uri, 'sha256', a.sha256, 'size', a.size, 'license', a.license,
    'createdAt', {iso("a.created_at")})"""

VERSION = f"""json_build_object('id', v.id, 'modelId', v.model_id, 'version', v.version, 'state', v.state,
    'commitSha', v.commit_sha, 'trainingJobId', v.training_job_id, 'metadata', v.metadata, 'revision', v.revision,
    'createdBy', v.created_by, 'createdAt', {iso("v.created_at")}, 'updatedAt', {iso("v.updated_at")},
    'artifacts', (select coalesce(json_agg({ARTIFACT} order by a.type, a.name), '[]') from artifacts a
                  where a.version_id = v.id))"""

RULE = """json_build_object('accessLevel', (array['public', 'internal', 'confidential'])[{rule}.access_level + 1],
    'ownerGroups', {rule}.owner_groups, 'allowedGroups', {rule}.allowed_groups,
    'restrictedGroups', {rule}.restricted_groups, 'sensitive', {rule}.sensitive,
    'clearanceLevel', {rule}.clearance_level, 'workspace', {rule}.workspace, 'department', {rule}.department,
    'project', {rule}.project)"""
_MODEL_ACCESS = f"""select {RULE.format(rule="a")}::text from models m join access_rules a on a.id = m.access_id
    where m.id = %(id)s and """

_MODELS = Listing(f"json_build_object({_MODEL_FIELDS})", "models m", "m.id")
_VERSIONS = Listing(VERSION, "model_versions v join models m on m.id = v.model_id", "v.id")
_MODEL_DETAIL = f"""select json_build_object({_MODEL_FIELDS}, 'access', {RULE.format(rule="a")}, 'versionsByState',
    (select coalesce(json_object_agg(state, n), '{{}}')
    from (select state, count(*) n from model_versions where model_id = m.id group by state) counts))::text
    from models m join access_rules a on a.id = m.access_id where m.id = %(id)s and """
_VERSION_ROW = f"""select {VERSION}::text, v.revision from model_versions v join models m on m.id = v.model_id
    where v.model_id = %(model_id)s and v.version = %(version)s and """
_ARTIFACT_SQL = f"""select {ARTIFACT}::text from artifacts a where a.id = %s"""
_STORED_ARTIFACT = """select a.type, a.name, a.media_type, a.uri, a.sha256 from artifacts a
    join model_versions v on v.id = a.version_id join models m on m.id = v.model_id
    where a.id = %(id)s and v.model_id = %(model_id)s and v.version = %(version)s and """
_TRAFFIC = f"""select coalesce((select json_agg(json_build_object('environment', d.environment, 'endpoint', d.endpoint,
    'versionId', d.version_id, 'version', v.version, 'trafficPercent', d.traffic_percent,
    'since', {iso("d.since")}, 'requestId', d.request_id) order by d.environment, v.version)
    from deployments d join model_versions v on v.id = d.version_id where d.model_id = m.id), '[]')::text
    from models m where m.id = %(id)s and """


async def one(pool: AsyncConnectionPool, statement: str, *values: Any) -> tuple[Any, ...] | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchone()


async def seen(
    pool: AsyncConnectionPool, statement: str, visible: Visible, kind: str, named: str, **values: Any
) -> tuple[Any, ...]:
    """The one row of a statement that ends where its condition of visibility begins. Raises NotFound."""
    row = None
    if all(is_id(value) for name, value in values.items() if name in ("id", "model_id")):
        async with pool.connection() as connection:
            cursor = await connection.execute(statement + visible.sql, {**values, **visible.values})
            row = await cursor.fetchone()
    if row is None:
        raise NotFound(kind, named)
    return row


async def model(pool: AsyncConnectionPool, caller: Principal | None, model_id: str) -> str:
    may = visible(caller, MODEL, "m.access_id")
    return str((await seen(pool, _MODEL_DETAIL, may, "model", model_id, id=model_id))[0])


async def version(pool: AsyncConnectionPool, caller: Principal | None, model_id: str, version: str) -> tuple[str, int]:
    """(JSON, revision)."""
    may = visible(caller, MODEL, "m.access_id")
    row = await seen(pool, _VERSION_ROW, may, "version", version, model_id=model_id, version=version)
    return str(row[0]), int(row[1])


async def check_version(pool: AsyncConnectionPool, caller: Principal, model_id: str, version: str) -> None:
    """Raises NotFound unless the caller may see what became of this version."""
    may = visible(caller, HISTORY, "m.access_id")
    await seen(pool, _VERSION_ROW, may, "version", version, model_id=model_id, version=version)


async def artifact(pool: AsyncConnectionPool, artifact_id: str) -> str:
    row = await one(pool, _ARTIFACT_SQL, artifact_id)
    if row is None:
        raise NotFound("artifact", artifact_id)
    return str(row[0])


async def stored_artifact(
    pool: AsyncConnectionPool, caller: Principal, model_id: str, version: str, artifact_id: str
) -> tuple[str, str, str, str, str]:
    """(type, name, media type, uri, sha256) of an artifact of that version, for whoever may download it."""
    may = visible(caller, ("model:download",), "m.access_id")
    row = await seen(
        pool, _STORED_ARTIFACT, may, "artifact", artifact_id, id=artifact_id, model_id=model_id, version=version
    )
    return row[0], row[1], row[2], row[3], row[4]


async def models(
    pool: AsyncConnectionPool,
    caller: Principal,
    request: PageRequest,
    *,
    search: str | None = None,
    group: str | None = None,
    owner: str | None = None,
    risk_tier: str | None = None,
    tag: str | None = None,
    state: str | None = None,
) -> Page:
    where = Conditions()
    where.only(visible(caller, MODEL, "m.access_id"))
    where.add("(m.name || ' ' || m.description) ilike %(search)s", search=like_pattern(search) if search else None)
    where.add('m."group" = %(group)s', group=group)
    where.add("m.owners @> array[%(owner)s]::text[]", owner=owner)
    where.add("m.risk_tier = %(risk_tier)s", risk_tier=risk_tier)
    where.add("m.tags @> array[%(tag)s]::text[]", tag=tag)
    where.add("exists (select 1 from model_versions v where v.model_id = m.id and v.state = %(state)s)", state=state)
    return await read_page(pool, _MODELS, where, request)


async def versions(
    pool: AsyncConnectionPool, caller: Principal, request: PageRequest, model_id: str, *, state: str | None = None
) -> Page:
    await model(pool, caller, model_id)
    where = Conditions()
    where.only(visible(caller, MODEL, "m.access_id"))
    where.add("v.model_id = %(model_id)s", model_id=model_id)
    where.add("v.state = %(state)s", state=state)
    return await read_page(pool, _VERSIONS, where, request)


async def traffic(pool: AsyncConnectionPool, caller: Principal, model_id: str) -> str:
    may = visible(caller, TRAFFIC, "m.access_id")
    return str((await seen(pool, _TRAFFIC, may, "model", model_id, id=model_id))[0])


async def model_access(pool: AsyncConnectionPool, caller: Principal, model_id: str) -> str:
    may = visible(caller, MODEL, "m.access_id")
    return str((await seen(pool, _MODEL_ACCESS, may, "model", model_id, id=model_id))[0])
