"""Samples of evaluation suites."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries import evaluations
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import one
from storage.queries.times import iso

_SAMPLE = f"""json_build_object('number', p.number, 'suiteId', p.suite_id, 'datasetId', p.dataset_id,
    'createdBy', u.name, 'createdAt', {iso("p.created_at")})"""
_SOURCE = "suite_samples p join users u on u.id = p.created_by"
_SAMPLES = Listing(_SAMPLE, _SOURCE, "lpad(to_hex(p.number), 32, '0')::uuid")  # lists are continued by a UUID


async def sample(pool: AsyncConnectionPool, suite_id: str, number: int) -> str:
    """One that was just added."""
    statement = f"select {_SAMPLE}::text from {_SOURCE} where p.suite_id = %s and p.number = %s"
    row = await one(pool, statement, suite_id, number)
    assert row is not None  # noqa: S101  (samples are never taken away)
    return str(row[0])


async def samples(pool: AsyncConnectionPool, caller: Principal, request: PageRequest, suite_id: str) -> Page:
    """Raises NotFound for a suite that the caller may not see."""
    await evaluations.suite(pool, caller, suite_id)
    where = Conditions()
    where.add("p.suite_id = %(suite_id)s", suite_id=suite_id)
    return await read_page(pool, _SAMPLES, where, request)
