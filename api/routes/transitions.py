"""Asking for a transition of a version, and the requests that it has had."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.requesting import dashboard_link, open_and_launch, request_path
from api.routes.versions import version_path
from api.schemas.base import answers
from api.schemas.governing import RequestRead, RequestSummary, TransitionCreate
from governance.operations.transitions import OpenRequest
from storage.queries import registry
from storage.queries import requests as views

router = APIRouter(prefix="/api/v1/models/{model_id}/versions/{version}/transitions", tags=["Transitions"])


@router.post(
    "",
    dependencies=permits(
        "model:submit",
        "model:evaluate",
        "model:request",
        "model:retire",
        "deployment:create",
        "approval:request_changes",
        "production:rollback",
        "production:deprecate",
    ),
    status_code=202,
    responses=answers(RequestRead, 400, 403, 404, 409, 422, status=202, description="Accepted"),
)
async def open_transition(
    model_id: str,
    version: str,
    body: TransitionCreate,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """Ask for a transition. A Prefect flow judges it; `Location` and the dashboard link show how far it is.

    409 when the lifecycle has no such edge from the present state, when another request moves the version, or when
    what was approved has changed since (`details.difference`). 503 when the orchestrator does not answer: the request
    is kept and started later, and `details.requestId` names it.
    """
    command = OpenRequest(
        identifier("model", model_id),
        version,
        body.transition,
        body.reason,
        tuple(identifier("evaluation suite", suite_id) for suite_id in body.suite_ids),
        body.break_glass,
    )
    opened, flow_run_id = await run_in_threadpool(open_and_launch, platform, call(body.model_dump()), command)
    location = request_path(opened.id)
    return success(
        request,
        await views.request(pool, None, opened.id),
        status=202,
        headers={"Location": location},
        links={
            "self": location,
            "version": version_path(opened.model_id, version),
            **dashboard_link(platform, flow_run_id),
        },
    )


@router.get(
    "", dependencies=permits("model:read", "provenance:read"), responses=answers(list[RequestSummary], 400, 404)
)
async def list_transitions(
    model_id: str, version: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep
) -> Response:
    """The requests of one version, newest first."""
    found = identifier("model", model_id)
    await registry.check_version(pool, caller, found, version)  # an unknown one is told from one without requests
    return listed(request, await views.requests(pool, caller, page, model_id=found, version=version))
