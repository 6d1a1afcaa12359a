"""Datasets, suites and evaluations (governance-design, Evaluation Entity)."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.errors import NotFound
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import is_id, one
from storage.queries.times import iso

_DATASET = f"""json_build_object('id', d.id, 'name', d.name, 'group', d."group", 'format', d.format,
    'sha256', d.sha256, 'size', d.size, 'createdAt', {iso("d.created_at")})"""
_SUITE = f"""json_build_object('id', s.id, 'modelId', s.model_id, 'name', s.name, 'datasetId', s.dataset_id,
    'taskType', s.task_type, 'target', s.target, 'features', s.features, 'metrics', s.metrics,
    'thresholds', s.thresholds, 'margin', s.margin, 'positiveLabel', s.positive_label, 'digest', s.digest,
    'createdAt', {iso("s.created_at")})"""
_STATUS = """'id', e.id, 'versionId', e.version_id, 'suiteId', e.suite_id, 'requestId', e.request_id,
    'status', e.status, 'reason', e.reason, 'passed', e.passed"""
_RESULTS = f"""json_build_object({_STATUS}, 'results', e.results, 'thresholds', e.thresholds,
    'weightsSha256', e.weights_sha256, 'outcomesSha256', e.outcomes_sha256,
    'executedAt', {iso("e.executed_at")}, 'createdAt', {iso("e.created_at")})"""

_DATASETS = Listing(_DATASET, "datasets d", "d.id")
_SUITES = Listing(_SUITE, "evaluation_suites s", "s.id")


async def _one(pool: AsyncConnectionPool, kind: str, item: str, source: str, identifier: str) -> str:
    row = await one(pool, f"select {item}::text from {source} where id = %s", identifier) if is_id(identifier) else None
    if row is None:
        raise NotFound(kind, identifier)
    return str(row[0])


async def dataset(pool: AsyncConnectionPool, dataset_id: str) -> str:
    return await _one(pool, "dataset", _DATASET, "datasets d", dataset_id)


async def suite(pool: AsyncConnectionPool, suite_id: str) -> str:
    return await _one(pool, "evaluation suite", _SUITE, "evaluation_suites s", suite_id)


async def evaluation_status(pool: AsyncConnectionPool, evaluation_id: str) -> str:
    return await _one(pool, "evaluation", f"json_build_object({_STATUS})", "evaluations e", evaluation_id)


async def evaluation_results(pool: AsyncConnectionPool, evaluation_id: str) -> str:
    return await _one(pool, "evaluation", _RESULTS, "evaluations e", evaluation_id)


async def of_request(pool: AsyncConnectionPool, request_id: str) -> str:
    """A JSON array of the evaluations that a request runs."""
    row = await one(
        pool,
        f"""select coalesce(json_agg(json_build_object({_STATUS}) order by e.id), '[]')::text
            from evaluations e where e.request_id = %s""",
        request_id,
    )
    return str(row[0]) if row else "[]"


async def datasets(pool: AsyncConnectionPool, page: PageRequest, *, group: str | None = None) -> Page:
    where = Conditions()
    where.add('d."group" = %(group)s', group=group)
    return await read_page(pool, _DATASETS, where, page)


async def suites(pool: AsyncConnectionPool, page: PageRequest, *, model_id: str | None = None) -> Page:
    where = Conditions()
    where.add("s.model_id = %(model_id)s", model_id=model_id)
    return await read_page(pool, _SUITES, where, page)
