"""What is expected of datasets and what validations found, for whoever may read the dataset."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from storage.queries.pages import Conditions, Listing, Page, PageRequest, read_page
from storage.queries.registry import seen
from storage.queries.times import iso
from storage.queries.visibility import DATASET, visible

_EXPECTATIONS = f"""json_build_object('id', x.id, 'datasetId', x.dataset_id, 'number', x.number,
    'expectations', x.expectations, 'source', x.source, 'digest', x.digest, 'createdBy', x.created_by,
    'createdAt', {iso("x.created_at")})"""
_PROFILE = f"""json_build_object('id', p.id, 'datasetId', p.dataset_id, 'datasetSha256', p.dataset_sha256,
    'status', p.status, 'reason', p.reason, 'expectations', p.expectations, 'rows', p.rows,
    'createdAt', {iso("p.created_at")}, 'finishedAt', {iso("p.finished_at")})"""
_VALIDATION = f"""json_build_object('id', c.id, 'datasetId', c.dataset_id, 'datasetSha256', c.dataset_sha256,
    'number', c.number, 'digest', c.digest, 'source', c.source, 'status', c.status, 'reason', c.reason,
    'checked', c.checked, 'failures', c.failures, 'rows', c.rows, 'seconds', c.seconds,
    'correlation', c.correlation, 'requestedBy', c.requested_by, 'createdAt', {iso("c.created_at")},
    'executedAt', {iso("c.executed_at")})"""

_ONE = "join datasets d on d.id = {row}.dataset_id where d.id = %(dataset_id)s and "
_NEWEST = f"""select {_EXPECTATIONS}::text, x.number from expectation_suites x {_ONE.format(row="x")}
    x.number = (select max(number) from expectation_suites where dataset_id = d.id) and """
_NUMBERED = f"""select {_EXPECTATIONS}::text, x.number from expectation_suites x {_ONE.format(row="x")}
    x.number = %(number)s and """
_ONE_PROFILE = f"select {_PROFILE}::text from expectation_profiles p {_ONE.format(row='p')} p.id = %(id)s and "
_ONE_VALIDATION = f"select {_VALIDATION}::text from data_validations c {_ONE.format(row='c')} c.id = %(id)s and "
_VALIDATIONS = Listing(_VALIDATION, "data_validations c join datasets d on d.id = c.dataset_id", "c.id")


async def expectations(
    pool: AsyncConnectionPool, caller: Principal | None, dataset_id: str, number: int | None = None
) -> tuple[str, int]:
    """(JSON, its number); the newest without a number. Raises NotFound."""
    may = visible(caller, DATASET, "d.access_id")
    statement = _NEWEST if number is None else _NUMBERED
    found = await seen(pool, statement, may, "expectation suite", dataset_id, dataset_id=dataset_id, number=number)
    return str(found[0]), int(found[1])


async def profile(pool: AsyncConnectionPool, caller: Principal | None, dataset_id: str, profile_id: str) -> str:
    may = visible(caller, DATASET, "d.access_id")
    found = await seen(pool, _ONE_PROFILE, may, "profile", profile_id, id=profile_id, dataset_id=dataset_id)
    return str(found[0])


async def validation(pool: AsyncConnectionPool, caller: Principal | None, dataset_id: str, validation_id: str) -> str:
    may = visible(caller, DATASET, "d.access_id")
    found = await seen(
        pool, _ONE_VALIDATION, may, "data validation", validation_id, id=validation_id, dataset_id=dataset_id
    )
    return str(found[0])


async def validations(pool: AsyncConnectionPool, caller: Principal, dataset_id: str, page: PageRequest) -> Page:
    where = Conditions()
    where.only(visible(caller, DATASET, "d.access_id"))
    where.add("c.dataset_id = %(dataset_id)s", dataset_id=dataset_id)
    return await read_page(pool, _VALIDATIONS, where, page)
