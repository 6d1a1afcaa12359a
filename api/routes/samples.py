"""Samples of a suite: newer examples of what it is about, the newest of which a night validates on."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.validation import SampleCreate, SampleRead
from governance.operations import validation_runs
from storage.queries import samples as views

router = APIRouter(prefix="/api/v1/evaluation-suites", tags=["Evaluation"])


@router.post(
    "/{suite_id}/samples",
    dependencies=permits("model:evaluate"),
    status_code=201,
    responses=answers(SampleRead, 400, 403, 404, 409, 422, status=201),
)
async def add_sample(
    suite_id: str, body: SampleCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Add a dataset of newer examples. Validation runs on the newest sample; comparisons stay paired on it."""
    suite = identifier("evaluation suite", suite_id)
    dataset = identifier("dataset", body.dataset_id)
    asked = call(body.model_dump())
    number = await run_in_threadpool(
        validation_runs.add_sample, platform.new_unit(), asked, suite_id=suite, dataset_id=dataset
    )
    location = f"/api/v1/evaluation-suites/{suite}/samples"
    return success(request, await views.sample(pool, suite, number), status=201, headers={"Location": location})


@router.get("/{suite_id}/samples", dependencies=permits("model:read"), responses=answers(list[SampleRead], 400, 404))
async def list_samples(suite_id: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The samples of a suite, newest first."""
    return listed(request, await views.samples(pool, caller, page, identifier("evaluation suite", suite_id)))
