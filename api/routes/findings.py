"""Findings: what somebody has to look at."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.deadlines import FindingClose, FindingCreate, FindingRead, FindingUpdate
from governance.operations import findings
from storage.composition import now
from storage.queries import deadlines as views

router = APIRouter(prefix="/api/v1/findings", tags=["Findings"])


@router.get("", dependencies=permits("model:read", "provenance:read"), responses=answers(list[FindingRead], 400))
async def list_findings(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
    status: Annotated[Literal["open", "closed"] | None, Query()] = None,
    overdue: Annotated[bool | None, Query(description="Open, and past its due date.")] = None,
    owner_id: Annotated[UUID | None, Query(alias="ownerId")] = None,
) -> Response:
    """Findings, newest first. Rollbacks, break-glass and overdue reviews open one; people do, too."""
    found = await views.findings(
        pool,
        caller,
        page,
        now(),
        model_id=str(model_id) if model_id else None,
        status=status,
        overdue=overdue,
        owner_id=str(owner_id) if owner_id else None,
    )
    return listed(request, found)


@router.post(
    "",
    dependencies=permits("finding:create"),
    status_code=201,
    responses=answers(FindingRead, 400, 403, 404, 422, status=201),
)
async def open_finding(
    body: FindingCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Open a finding about a version. What it blocks is refused from now on, until it is closed."""
    new = findings.NewFinding(
        model_id=identifier("model", body.model_id),
        version=body.version,
        severity=body.severity,
        title=body.title,
        owner=body.owner,
        due_at=body.due_at,
        blocks=body.blocks,
        model_wide=body.model_wide,
    )
    made = call(body.model_dump(mode="json"))
    finding_id = await run_in_threadpool(findings.open_finding, platform.new_unit(), made, new)
    shown = await views.finding(pool, None, finding_id, made.at)
    return success(request, shown, status=201, headers={"Location": f"/api/v1/findings/{finding_id}"})


@router.get("/{finding_id}", dependencies=permits("model:read", "provenance:read"), responses=answers(FindingRead, 404))
async def get_finding(finding_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One finding, with its owner, when it is due, what it blocks, and how it was closed."""
    return success(request, await views.finding(pool, caller, identifier("finding", finding_id), now()))


@router.patch(
    "/{finding_id}",
    dependencies=permits("finding:update"),
    responses=answers(FindingRead, 400, 403, 404, 409),
)
async def change_finding(
    finding_id: str, body: FindingUpdate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Assign it, or judge it anew; what is left out stays. Making a severe one milder takes a second person."""
    found = identifier("finding", finding_id)
    wanted = findings.FindingChange(body.owner, body.severity, body.title, body.due_at, body.blocks)
    made = call(body.model_dump(mode="json"))
    await run_in_threadpool(findings.change_finding, platform.new_unit(), made, found, wanted)
    return success(request, await views.finding(pool, None, found, made.at))


@router.post(
    "/{finding_id}/close",
    dependencies=permits("finding:update"),
    responses=answers(FindingRead, 400, 403, 404, 409, 422),
)
async def close_finding(
    finding_id: str, body: FindingClose, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Say how it ended. 403 CONFLICT_OF_INTEREST when a severe finding is accepted, or called false, by somebody who
    opened it, caused it or made the version.
    """
    found = identifier("finding", finding_id)
    made = call(body.model_dump())
    await run_in_threadpool(
        findings.close_finding,
        platform.new_unit(),
        made,
        found,
        kind=body.resolution_kind,
        resolution=body.resolution,
    )
    return success(request, await views.finding(pool, None, found, made.at))
