"""Models, versions, artifacts and what serves where, as the routes show them (governance-design, Core Entities)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from governance.errors import NotFound
from storage.queries.pages import Conditions, Listing, Page, PageRequest, like_pattern, read_page
from storage.queries.times import iso

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

_MODELS = Listing(f"json_build_object({_MODEL_FIELDS})", "models m", "m.id")
_VERSIONS = Listing(VERSION, "model_versions v", "v.id")
_FINDING = f"""json_build_object('id', f.id, 'modelId', f.model_id, 'versionId', f.version_id, 'severity', f.severity,
    'title', f.title, 'status', f.status, 'requestId', f.request_id, 'createdAt', {iso("f.created_at")})"""
_FINDINGS = Listing(_FINDING, "findings f", "f.id")

_MODEL_SQL = f"""select json_build_object({_MODEL_FIELDS}, 'versionsByState',
    (select coalesce(json_object_agg(state, n), '{{}}')
    from (select state, count(*) n from model_versions where model_id = m.id group by state) counts))::text
    from models m where m.id = %s"""
_VERSION_SQL = f"""select {VERSION}::text, v.revision from model_versions v
    where v.model_id = %s and v.version = %s"""
_ARTIFACT_SQL = f"""select {ARTIFACT}::text from artifacts a where a.id = %s"""
_TRAFFIC_SQL = f"""select coalesce(json_agg(json_build_object('environment', d.environment, 'endpoint', d.endpoint,
    'versionId', d.version_id, 'version', v.version, 'trafficPercent', d.traffic_percent,
    'since', {iso("d.since")}, 'requestId', d.request_id) order by d.environment, v.version), '[]')::text
    from deployments d join model_versions v on v.id = d.version_id where d.model_id = %s"""


def is_id(text: str) -> bool:
    """Could this be one of our ids? Anything else is unknown, without asking the database."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


async def one(pool: AsyncConnectionPool, statement: str, *values: Any) -> tuple[Any, ...] | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchone()


async def model(pool: AsyncConnectionPool, model_id: str) -> str:
    row = await one(pool, _MODEL_SQL, model_id) if is_id(model_id) else None
    if row is None:
        raise NotFound("model", model_id)
    return str(row[0])


async def version(pool: AsyncConnectionPool, model_id: str, version: str) -> tuple[str, int]:
    """(JSON, revision)."""
    row = await one(pool, _VERSION_SQL, model_id, version) if is_id(model_id) else None
    if row is None:
        raise NotFound("version", version)
    return str(row[0]), int(row[1])


async def artifact(pool: AsyncConnectionPool, artifact_id: str) -> str:
    row = await one(pool, _ARTIFACT_SQL, artifact_id)
    if row is None:
        raise NotFound("artifact", artifact_id)
    return str(row[0])


async def stored_artifact(
    pool: AsyncConnectionPool, model_id: str, version: str, artifact_id: str
) -> tuple[str, str, str, str, str]:
    """(type, name, media type, uri, sha256) of an artifact of that version."""
    row = None
    if is_id(model_id) and is_id(artifact_id):
        row = await one(
            pool,
            """select a.type, a.name, a.media_type, a.uri, a.sha256 from artifacts a
               join model_versions v on v.id = a.version_id
               where a.id = %s and v.model_id = %s and v.version = %s""",
            artifact_id,
            model_id,
            version,
        )
    if row is None:
        raise NotFound("artifact", artifact_id)
    return row


async def models(
    pool: AsyncConnectionPool,
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
    where.add("(m.name || ' ' || m.description) ilike %(search)s", search=like_pattern(search) if search else None)
    where.add('m."group" = %(group)s', group=group)
    where.add("m.owners @> array[%(owner)s]::text[]", owner=owner)
    where.add("m.risk_tier = %(risk_tier)s", risk_tier=risk_tier)
    where.add("m.tags @> array[%(tag)s]::text[]", tag=tag)
    where.add("exists (select 1 from model_versions v where v.model_id = m.id and v.state = %(state)s)", state=state)
    return await read_page(pool, _MODELS, where, request)


async def versions(pool: AsyncConnectionPool, request: PageRequest, model_id: str, *, state: str | None = None) -> Page:
    await model(pool, model_id)
    where = Conditions()
    where.add("v.model_id = %(model_id)s", model_id=model_id)
    where.add("v.state = %(state)s", state=state)
    return await read_page(pool, _VERSIONS, where, request)


async def traffic(pool: AsyncConnectionPool, model_id: str) -> str:
    await model(pool, model_id)
    row = await one(pool, _TRAFFIC_SQL, model_id)
    return str(row[0]) if row else "[]"


async def findings(
    pool: AsyncConnectionPool, request: PageRequest, *, model_id: str | None = None, status: str | None = None
) -> Page:
    where = Conditions()
    where.add("f.model_id = %(model_id)s", model_id=model_id)
    where.add("f.status = %(status)s", status=status)
    return await read_page(pool, _FINDINGS, where, request)
