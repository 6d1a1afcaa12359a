"""Samples of a suite: newer examples of what it is about, the newest of which a night validates on."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.validation import SampleCreate, SampleRead
from governance.errors import NotFound
from governance.operations import baselines
from governance.operations.calls import Call
from storage.composition import Platform
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
    number = await run_in_threadpool(_add, platform, asked, suite, dataset)
    location = f"/api/v1/evaluation-suites/{suite}/samples"
    return success(request, await views.sample(pool, suite, number), status=201, headers={"Location": location})


def _add(platform: Platform, call: Call, suite_id: str, dataset_id: str) -> int:
    try:
        return baselines.add_sample(platform.new_unit(), call, suite_id=suite_id, dataset_id=dataset_id)
    except NotFound as hidden:
        if hidden.kind != "model":
            raise
        raise NotFound("evaluation suite", suite_id) from None  # in the caller's words, as for what is not there


@router.get("/{suite_id}/samples", dependencies=permits("model:read"), responses=answers(list[SampleRead], 400, 404))
async def list_samples(suite_id: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The samples of a suite, newest first."""
    return listed(request, await views.samples(pool, caller, page, identifier("evaluation suite", suite_id)))
