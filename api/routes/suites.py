"""Evaluation suites: create, list, read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.evaluations import SuiteCreate, SuiteRead
from governance.operations import evaluations
from storage.queries import evaluations as views

router = APIRouter(prefix="/api/v1/evaluation-suites", tags=["Evaluation"])


@router.post(
    "",
    dependencies=permits("model:evaluate"),
    status_code=201,
    responses=answers(SuiteRead, 400, 403, 404, 409, 422, status=201),
)
async def create_suite(
    body: SuiteCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Bind a model to test cases and to a dataset with metrics and thresholds. A suite never changes; make another one.

    Its kind says what it is for: `unit`, `integration`, `regression`, `performance` or `smoke`. A version passes when
    every case and every threshold passes; a sample that cannot decide gives `insufficient_evidence`, which is no pass.
    """
    thresholds = {name: limits.model_dump(exclude_none=True) for name, limits in body.thresholds.items()}
    new = evaluations.NewSuite(
        model_id=identifier("model", body.model_id),
        name=body.name,
        dataset_id=identifier("dataset", body.dataset_id) if body.dataset_id is not None else None,
        task_type=body.task_type,
        target=body.target,
        features=body.features,
        metrics=body.metrics,
        thresholds=thresholds,
        margin=body.margin,
        positive_label=body.positive_label,
        kind=body.kind,
        definition=body.definition.model_dump(by_alias=True, exclude_unset=True),
    )
    suite_id = await run_in_threadpool(evaluations.create_suite, platform.new_unit(), call(body.model_dump()), new)
    location = f"/api/v1/evaluation-suites/{suite_id}"
    return success(
        request,
        await views.suite(pool, None, suite_id),
        status=201,
        headers={"Location": location},
        links={"self": location},
    )


@router.get("", dependencies=permits("model:read"), responses=answers(list[SuiteRead], 400))
async def list_suites(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
) -> Response:
    """Suites, newest first."""
    return listed(request, await views.suites(pool, caller, page, model_id=str(model_id) if model_id else None))


@router.get("/{suite_id}", dependencies=permits("model:read"), responses=answers(SuiteRead, 404))
async def get_suite(suite_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One suite."""
    return success(request, await views.suite(pool, caller, suite_id))
