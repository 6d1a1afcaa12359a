"""Freeze windows: when nothing moves."""

from datetime import time

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.deadlines import FreezeCreate, FreezeRead
from governance.freezes import DAYS, Weekly
from governance.operations import freezes
from storage.composition import now
from storage.queries import deadlines as views

router = APIRouter(prefix="/api/v1/freezes", tags=["Freezes"])


@router.get("", dependencies=permits("freeze:read"), responses=answers(list[FreezeRead], 400, 403))
async def list_freezes(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """Freeze windows that are not over, newest first; when they end, also in the caller's time zone."""
    return listed(request, await views.freezes(pool, caller, page, now()))


@router.post(
    "",
    dependencies=permits("freeze:create"),
    status_code=201,
    responses=answers(FreezeRead, 400, 403, 422, status=201),
)
async def declare_freeze(
    body: FreezeCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Declare a freeze, once or every week. What it covers waits and goes on by itself afterwards; approvals stay.

    Only a break-glass rollback or deprecation passes over it.
    """
    weekly = None
    if body.weekly is not None:
        days = frozenset(DAYS.index(day) for day in body.weekly.days)
        start, end = time.fromisoformat(body.weekly.from_time), time.fromisoformat(body.weekly.to_time)
        weekly = Weekly(days, start, end, body.weekly.time_zone)
    new = freezes.NewFreeze(
        name=body.name,
        reason=body.reason,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        weekly=weekly,
        groups=body.groups,
        transitions=body.transitions,
        risk_tiers=body.risk_tiers,
    )
    made = call(body.model_dump(mode="json"))
    window_id = await run_in_threadpool(freezes.declare_freeze, platform.new_unit(), made, new)
    shown = await views.freeze(pool, made.person, window_id, made.at)
    return success(request, shown, status=201, headers={"Location": f"/api/v1/freezes/{window_id}"})


@router.delete("/{freeze_id}", dependencies=permits("freeze:delete"), responses=answers(None, 403, 404))
async def lift_freeze(freeze_id: str, request: Request, call: CallOf, platform: PlatformDep) -> Response:
    """End a freeze now. It is kept as it was, since decisions were judged by it."""
    await run_in_threadpool(freezes.lift_freeze, platform.new_unit(), call(), identifier("freeze", freeze_id))
    return success(request, b"null")
