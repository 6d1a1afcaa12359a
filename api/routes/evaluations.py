"""Running evaluations and reading what they found."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, PoolDep, identifier, permits
from api.envelope import success
from api.requesting import dashboard_link, open_and_launch, request_path
from api.schemas.base import answers
from api.schemas.evaluations import EvaluationResultsRead, EvaluationRun, EvaluationStatusRead
from governance.lifecycle import TransitionName
from governance.operations.transitions import OpenRequest
from storage.queries import evaluations as views

router = APIRouter(prefix="/api/v1/evaluations", tags=["Evaluation"])


@router.post(
    "/run",
    dependencies=permits("model:evaluate"),
    status_code=202,
    responses=answers(list[EvaluationStatusRead], 400, 403, 404, 409, 422, status=202, description="Accepted"),
)
async def run_evaluation(
    body: EvaluationRun, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Run evaluation suites on a version: an `evaluate` transition, with one evaluation per suite."""
    command = OpenRequest(
        identifier("model", body.model_id),
        body.version,
        TransitionName.EVALUATE,
        suite_ids=tuple(identifier("evaluation suite", suite_id) for suite_id in body.suite_ids),
    )
    opened, flow_run_id = await run_in_threadpool(open_and_launch, platform, call(body.model_dump()), command)
    location = request_path(opened.id)
    return success(
        request,
        await views.of_request(pool, opened.id),
        status=202,
        headers={"Location": location},
        links={"request": location, **dashboard_link(platform, flow_run_id)},
    )


@router.get(
    "/{evaluation_id}/status",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(EvaluationStatusRead, 404),
)
async def evaluation_status(evaluation_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """How far an evaluation is."""
    return success(
        request,
        await views.evaluation_status(pool, caller, evaluation_id),
        links={"results": f"/api/v1/evaluations/{evaluation_id}/results"},
    )


@router.get(
    "/{evaluation_id}/results",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(EvaluationResultsRead, 404),
)
async def evaluation_results(evaluation_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """Metrics with their 95 % intervals, the thresholds, and whether they hold."""
    return success(
        request,
        await views.evaluation_results(pool, caller, evaluation_id),
        links={"status": f"/api/v1/evaluations/{evaluation_id}/status"},
    )
