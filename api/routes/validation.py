"""Validation of one entry of the enterprise registry: running it, its history, what that says about regressions."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, PoolDep, permits
from api.envelope import success
from api.schemas.base import Success, answers
from api.schemas.validation import HistoryRead, RegressionReportRead, RunDetailRead, ValidationRunCreate
from api.waiting import WaitSeconds, wait_for
from governance.errors import DependencyUnavailable, NotFound
from governance.operations import validation_runs
from governance.operations.calls import Call
from governance.operations.validation_cases import checked_cases
from storage.composition import Platform, now
from storage.queries import validation as views
from storage.queries.enterprise import Entry, entry_named
from storage.queries.validation_pictures import OF_RUNS
from storage.queries.visibility import VALIDATION

ROOT = "/api/models/enterprise/validation"
router = APIRouter(prefix=ROOT, tags=["Validation"])

Days = Annotated[int, Query(ge=1, le=365, description="How many days to look back.")]


def run_path(run_id: str) -> str:
    return f"{ROOT}/runs/{run_id}"


def pictures_of(run_id: str) -> dict[str, str]:
    return {chart: f"{run_path(run_id)}/charts/{chart}.svg" for chart in OF_RUNS}


@router.post(
    "/run",
    dependencies=permits("model:evaluate"),
    responses={
        **answers(RunDetailRead, 400, 403, 404, 409, 422),
        202: {"model": Success[RunDetailRead], "description": "It is not over yet; `Location` tells how far it is."},
    },
)
async def run_validation(
    body: ValidationRunCreate,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    wait_seconds: WaitSeconds = 30,
) -> Response:
    """Validate an entry: all tests of its suites, or those named, and a comparison with the pinned baseline.

    Waits for the end. What takes longer than `wait_seconds` answers 202 and goes on.
    """
    entry = await entry_named(pool, None, body.model_id)  # whether the caller may know of it, the operation says
    asked = call(body.model_dump())
    run_id = await run_in_threadpool(_start, platform, asked, entry, body)

    async def look() -> tuple[str, bool]:
        return await views.run_status(pool, run_id)

    status, _ = await look()
    if status == "queued":
        await run_in_threadpool(_launch, platform, asked, run_id)
    _, over = await wait_for(look, lambda seen: seen[1], wait_seconds, gone=request.is_disconnected)
    location = run_path(run_id)
    return success(
        request,
        await views.run(pool, asked.person, run_id, started=True),
        status=200 if over else 202,
        headers={} if over else {"Location": location},
        links={"run": location, "history": f"{ROOT}/history/{entry.version_id}", **pictures_of(run_id)},
    )


def _start(platform: Platform, call: Call, entry: Entry, body: ValidationRunCreate) -> str:
    try:
        cases = checked_cases(platform.new_unit(), call, model_id=entry.model_id, case_ids=body.test_case_ids)
        return validation_runs.start_run(
            platform.new_unit(), call, model_id=entry.model_id, version_id=entry.version_id, case_ids=cases
        )
    except NotFound as hidden:
        if hidden.kind != "model":
            raise
        raise NotFound("model", body.model_id[:200]) from None  # in the caller's words, as for what is not there


def _launch(platform: Platform, call: Call, run_id: str) -> None:
    """What was recorded is kept when nobody answers, and started later; the refusal names it."""
    try:
        validation_runs.launch_run(platform.new_unit, platform.launcher, call, run_id)
    except DependencyUnavailable as error:
        details: dict[str, Any] = {**error.details, "runId": run_id, "location": run_path(run_id)}
        raise DependencyUnavailable(error.message, details=details) from error


@router.get("/history/{model_id}", dependencies=permits(*VALIDATION), responses=answers(HistoryRead, 403, 404))
async def validation_history(
    model_id: str, request: Request, caller: Caller, pool: PoolDep, days: Days = 30
) -> Response:
    """The validation runs of an entry, newest first; at most 1,000."""
    entry = await entry_named(pool, caller, model_id, VALIDATION)
    links = {"report": f"{ROOT}/regression-report/{entry.version_id}"}
    return success(request, await views.history(pool, entry, now(), days), links=links)


@router.get(
    "/regression-report/{model_id}",
    dependencies=permits(*VALIDATION),
    responses=answers(RegressionReportRead, 403, 404),
)
async def regression_report(model_id: str, request: Request, caller: Caller, pool: PoolDep, days: Days = 7) -> Response:
    """How often an entry was worse than its pinned baseline, how badly, and where that is going.

    Runs whose examples could not decide count neither as good nor as bad.
    """
    entry = await entry_named(pool, caller, model_id, VALIDATION)
    found = await views.report(pool, entry, now(), days)
    for run in found["runs"]:
        run["pictures"] = pictures_of(run["id"])
    links = {"history": f"{ROOT}/history/{entry.version_id}"}
    if found["runs"]:
        links["series"] = found["runs"][0]["pictures"]["series"]
    return success(request, orjson.dumps(found), links=links)


@router.get("/runs/{run_id}", dependencies=permits(*VALIDATION), responses=answers(RunDetailRead, 403, 404))
async def validation_run(run_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One run, by its `run_id` or id: its tests, what was measured, what was concluded."""
    return success(request, await views.run(pool, caller, run_id), links=pictures_of(run_id))
