"""Datasets that suites evaluate on."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.evaluations import DatasetRead
from api.uploads import receive
from governance.operations import evaluations
from storage.queries import evaluations as views

router = APIRouter(prefix="/api/v1/datasets", tags=["Datasets"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "",
    dependencies=permits("dataset:create"),
    status_code=201,
    openapi_extra=_BODY,
    responses=answers(DatasetRead, 400, 403, 409, 413, 422, status=201),
)
async def create_dataset(
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    name: Annotated[str, Query()],
    group: Annotated[str, Query()],
    kind: Annotated[Literal["parquet", "csv"], Query(alias="format")],
) -> Response:
    """Upload a table, as Parquet or CSV with a header line. It never changes; its digest is part of every result."""
    await run_in_threadpool(evaluations.check_dataset, platform.new_unit(), call(), name, group, kind)
    blob = await receive(request, platform.store, platform.settings.upload_limit)
    dataset_id = await run_in_threadpool(
        evaluations.create_dataset,
        platform.new_unit(),
        call(name, group, kind, blob.sha256),
        name=name,
        group=group,
        kind=kind,
        sha256=blob.sha256,
        size=blob.size,
    )
    location = f"/api/v1/datasets/{dataset_id}"
    return success(
        request,
        await views.dataset(pool, None, dataset_id),
        status=201,
        headers={"Location": location},
        links={"self": location},
    )


@router.get("", dependencies=permits("dataset:read"), responses=answers(list[DatasetRead], 400))
async def list_datasets(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    group: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Datasets, newest first."""
    return listed(request, await views.datasets(pool, caller, page, group=group))


@router.get("/{dataset_id}", dependencies=permits("dataset:read"), responses=answers(DatasetRead, 404))
async def get_dataset(dataset_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One dataset."""
    return success(request, await views.dataset(pool, caller, dataset_id))
