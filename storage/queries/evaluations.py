"""Datasets, suites and evaluations (governance-design, Evaluation Entity)."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one, seen
from storage.queries.times import iso
from storage.queries.visibility import DATASET, HISTORY, MODEL, visible

_DATASET = f"""json_build_object('id', d.id, 'name', d.name, 'group', d."group", 'format', d.format,
    'sha256', d.sha256, 'size', d.size, 'createdAt', {iso("d.created_at")})"""
_SUITE = f"""json_build_object('id', s.id, 'modelId', s.model_id, 'name', s.name, 'datasetId', s.dataset_id,
    'taskType', s.task_type, 'target', s.target, 'features', s.features, 'metrics', s.metrics,
    'thresholds', s.thresholds, 'margin', s.margin, 'positiveLabel', s.positive_label, 'digest', s.digest,
    'kind', s.kind, 'definition', s.definition,
    'createdAt', {iso("s.created_at")})"""
_STATUS = """'id', e.id, 'versionId', e.version_id, 'suiteId', e.suite_id, 'requestId', e.request_id,
    'status', e.status, 'reason', e.reason, 'passed', e.passed"""
_RESULTS = f"""json_build_object({_STATUS}, 'results', e.results, 'thresholds', e.thresholds,
    'weightsSha256', e.weights_sha256, 'endpointDigest', e.endpoint_digest, 'outcomesSha256', e.outcomes_sha256,
    'executedAt', {iso("e.executed_at")}, 'createdAt', {iso("e.created_at")})"""

_OF_MODEL = "join models m on m.id = s.model_id"
_OF_VERSION = "join model_versions v on v.id = e.version_id join models m on m.id = v.model_id"
_DATASETS = Listing(_DATASET, "datasets d", "d.id")
_SUITES = Listing(_SUITE, f"evaluation_suites s {_OF_MODEL}", "s.id")
_ONE_DATASET = f"select {_DATASET}::text from datasets d where d.id = %(id)s and "
_ONE_SUITE = f"select {_SUITE}::text from evaluation_suites s {_OF_MODEL} where s.id = %(id)s and "
_ONE_STATUS = f"select json_build_object({_STATUS})::text from evaluations e {_OF_VERSION} where e.id = %(id)s and "
_ONE_RESULT = f"select {_RESULTS}::text from evaluations e {_OF_VERSION} where e.id = %(id)s and "


async def dataset(pool: AsyncConnectionPool, caller: Principal | None, dataset_id: str) -> str:
    may = visible(caller, DATASET, "d.access_id")
    return str((await seen(pool, _ONE_DATASET, may, "dataset", dataset_id, id=dataset_id))[0])


async def suite(pool: AsyncConnectionPool, caller: Principal | None, suite_id: str) -> str:
    may = visible(caller, MODEL, "m.access_id")
    return str((await seen(pool, _ONE_SUITE, may, "evaluation suite", suite_id, id=suite_id))[0])


async def evaluation_status(pool: AsyncConnectionPool, caller: Principal, evaluation_id: str) -> str:
    may = visible(caller, HISTORY, "m.access_id")
    return str((await seen(pool, _ONE_STATUS, may, "evaluation", evaluation_id, id=evaluation_id))[0])


async def evaluation_results(pool: AsyncConnectionPool, caller: Principal, evaluation_id: str) -> str:
    may = visible(caller, HISTORY, "m.access_id")
    return str((await seen(pool, _ONE_RESULT, may, "evaluation", evaluation_id, id=evaluation_id))[0])


async def of_request(pool: AsyncConnectionPool, request_id: str) -> str:
    """A JSON array of the evaluations that a request of the caller's runs."""
    row = await one(
        pool,
        f"""select coalesce(json_agg(json_build_object({_STATUS}) order by e.id), '[]')::text
            from evaluations e where e.request_id = %s""",
        request_id,
    )
    return str(row[0]) if row else "[]"


async def datasets(
    pool: AsyncConnectionPool, caller: Principal, page: PageRequest, *, group: str | None = None
) -> Page:
    where = Conditions()
    where.only(visible(caller, DATASET, "d.access_id"))
    where.add('d."group" = %(group)s', group=group)
    return await read_page(pool, _DATASETS, where, page)


async def suites(
    pool: AsyncConnectionPool, caller: Principal, page: PageRequest, *, model_id: str | None = None
) -> Page:
    where = Conditions()
    where.only(visible(caller, MODEL, "m.access_id"))
    where.add("s.model_id = %(model_id)s", model_id=model_id)
    return await read_page(pool, _SUITES, where, page)
