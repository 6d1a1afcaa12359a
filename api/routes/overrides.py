"""Overrides of soft gates: proposed by one person with a reason, confirmed by another, reported for ever."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.requesting import request_path, wake_until_heard
from api.schemas.base import answers
from api.schemas.deciding import OverridePropose, OverrideRead
from governance.operations import overriding
from storage.queries import deciding as views
from storage.queries import requests

router = APIRouter(prefix="/api/v1", tags=["Approvals"])
_OF_REQUEST = "/transition-requests/{request_id}/overrides"


@router.get(
    "/overrides", dependencies=permits("model:read", "provenance:read"), responses=answers(list[OverrideRead], 400, 403)
)
async def report_overrides(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
    confirmed: Annotated[bool | None, Query(description="In force once, or merely proposed.")] = None,
) -> Response:
    """The report of overrides, newest first: what was overridden for which evidence, why, by whom, until when."""
    model = str(model_id) if model_id else None
    return listed(request, await views.overrides(pool, caller, page, model_id=model, confirmed=confirmed))


@router.get(
    _OF_REQUEST, dependencies=permits("model:read", "provenance:read"), responses=answers(list[OverrideRead], 400, 404)
)
async def list_overrides(request_id: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The overrides of one request."""
    found = identifier("transition request", request_id)
    await requests.request(pool, caller, found)  # 404 for what the caller may not see
    return listed(request, await views.overrides(pool, caller, page, request_id=found))


@router.post(
    _OF_REQUEST,
    dependencies=permits("approval:decide"),
    status_code=201,
    responses=answers(OverrideRead, 400, 403, 404, 409, 422, status=201),
)
async def propose_override(
    request_id: str, body: OverridePropose, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Propose to override a soft gate that blocks, for exactly this evidence. 409 HARD_GATE for any other."""
    found = identifier("transition request", request_id)
    new = overriding.NewOverride(body.policy, body.policy_version, body.evidence_digest, body.reason, body.days)
    made = await run_in_threadpool(overriding.propose, platform.new_unit(), call(body.model_dump()), found, new)
    location = f"{request_path(found)}/overrides/{made}"
    return success(request, await views.override(pool, made), status=201, headers={"Location": location})


@router.post(
    f"{_OF_REQUEST}/{{override_id}}/confirm",
    dependencies=permits("approval:decide"),
    responses=answers(OverrideRead, 400, 403, 404, 409, 422),
)
async def confirm_override(
    request_id: str,
    override_id: str,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    background: BackgroundTasks,
) -> Response:
    """Put a proposal of somebody else in force. It opens a finding, and the request goes on if nothing else blocks."""
    found, proposal = identifier("transition request", request_id), identifier("override", override_id)
    made = call()
    moved = await run_in_threadpool(overriding.confirm, platform.new_unit(), made, found, proposal)
    answer = success(request, await views.override(pool, proposal))
    background.add_task(wake_until_heard, platform, made, moved)
    answer.background = background
    return answer
