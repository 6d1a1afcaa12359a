"""Nights of validation: starting tonight's, and following one while it runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, permits
from api.envelope import listed, success
from api.routes.validation import ROOT
from api.schemas.base import Success, answers
from api.schemas.validation import NightDetailRead, NightRead, NightStatus, RunRead, RunStatus
from api.waiting import WaitSeconds, wait_for
from governance.errors import DependencyUnavailable
from governance.operations import nights
from governance.operations.calls import Call
from governance.validation.nights import date_of
from storage.composition import Platform
from storage.queries import nights as views
from storage.queries.visibility import VALIDATION

router = APIRouter(prefix=ROOT, tags=["Validation"])


def night_path(night_id: str) -> str:
    return f"{ROOT}/nights/{night_id}"


def _links(night_id: str) -> dict[str, str]:
    path = night_path(night_id)
    return {"night": path, "runs": f"{path}/runs", "overview": f"{path}/charts/overview.svg"}


@router.post(
    "/nightly",
    dependencies=permits("monitoring:create"),
    responses={
        **answers(NightDetailRead, 400, 403, 409, 422),
        202: {"model": Success[NightDetailRead], "description": "It runs; `Location` tells how far it is."},
    },
)
async def nightly(
    request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep, wait_seconds: WaitSeconds = 30
) -> Response:
    """Validate every active version tonight. Each date has one night: calling again answers with the same one.

    Waits for the end; a night takes longer than any call waits when there are many models. The date is that of the
    time zone of the settings. Counts are over what `GET` of the night would count for you.
    """
    asked = call()
    night_id = await run_in_threadpool(_open, platform, asked)

    async def look() -> views.NightView:
        return await views.night(pool, asked.person, night_id)

    view = await wait_for(look, lambda seen: seen.over, wait_seconds, gone=request.is_disconnected)
    headers = {} if view.over else {"Location": night_path(night_id)}
    return success(request, view.data, status=200 if view.over else 202, headers=headers, links=_links(night_id))


def _open(platform: Platform, call: Call) -> str:
    """The id of tonight's night, launched if it is new."""
    settings = platform.settings
    night_id, new = nights.open_night(
        platform.new_unit(),
        call,
        night=date_of(call.at, settings.nightly_timezone),
        trigger="request",
        batch_size=settings.nightly_batch,
        hours=settings.nightly_hours,
    )
    if new:
        try:
            nights.launch_night(platform.new_unit, platform.launcher, call, night_id)
        except DependencyUnavailable as error:
            details: dict[str, Any] = {**error.details, "nightId": night_id, "location": night_path(night_id)}
            raise DependencyUnavailable(error.message, details=details) from error
    return night_id


@router.get("/nights", dependencies=permits(*VALIDATION), responses=answers(list[NightRead], 400, 403))
async def list_nights(
    request: Request,
    pool: PoolDep,
    page: PageDep,
    status: Annotated[NightStatus | None, Query(description="Only nights of this status.")] = None,
) -> Response:
    """Nights, newest first."""
    return listed(request, await views.nights(pool, page, status=status))


@router.get("/nights/{night}", dependencies=permits(*VALIDATION), responses=answers(NightDetailRead, 403, 404))
async def one_night(night: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One night, by its date or id: how far it is, or what it came to.

    Counts are over all models for roles with `monitoring:read`, and over the models that one may see for others.
    """
    view = await views.night(pool, caller, night)
    return success(request, view.data, links=_links(view.id))


@router.get("/nights/{night}/runs", dependencies=permits(*VALIDATION), responses=answers(list[RunRead], 400, 403, 404))
async def runs_of_night(
    night: str,
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    status: Annotated[RunStatus | None, Query(description="Only runs of this status.")] = None,
    regression_detected: Annotated[bool | None, Query(description="Only those with, or without, one.")] = None,
) -> Response:
    """The runs of a night that you may see: those with a regression first, then newest first."""
    found = await views.runs(pool, caller, page, night, status=status, regressed=regression_detected)
    return listed(request, found)
