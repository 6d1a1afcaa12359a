"""The enterprise registry's reading routes and the recording of inferences (enterprise registry, Endpoints)."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response

from api.clock import utc_text
from api.deps import Caller, CallOf, PageDep, PoolDep, permits
from api.envelope import listed, success
from api.inference_reports import REPORT_BODY, points_in
from api.schemas.base import answers
from api.schemas.enterprise import EntryRead, HealthOfModelRead, MetricsRead, Recorded, TypesRead
from governance.errors import InvalidInput
from governance.monitoring.health import judged
from governance.monitoring.points import LONGEST_ERROR, LONGEST_MS, Tally, tallied
from governance.monitoring.windows import window_start
from governance.operations.inferences import Report
from storage.composition import now
from storage.metrics.reading import measured
from storage.queries import entries as views
from storage.queries.enterprise import entry_named
from storage.queries.entries import STATUSES, Status

router = APIRouter(prefix="/api/models/enterprise", tags=["Enterprise registry"])

_MEASURED = ("model:read", "monitoring:read")
WindowQuery = Annotated[
    Literal["1h", "24h", "7d", "30d", "all"],
    Query(description="How far back; the longer ones begin at a full hour."),
]


@router.get(
    "/registry",
    summary="List models",
    dependencies=permits("model:read"),
    responses=answers(list[EntryRead], 400),
)
async def list_entries(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    status: Annotated[Status | None, Query()] = None,
    model_type: Annotated[str | None, Query(max_length=200)] = None,
    sport: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Entries that the caller may see, newest first. An entry is one version, named by the version's id."""
    found = await views.entries(pool, caller, page, status=status, model_type=model_type, sport=sport)
    return listed(request, found)


@router.get(
    "/types",
    summary="Model types and statuses",
    dependencies=permits("model:read"),
    responses=answers(TypesRead),
)
async def list_types(request: Request, caller: Caller, pool: PoolDep) -> Response:
    """The documented types, then those in use among the models that the caller may see; and every status."""
    types = await views.model_types(pool, caller)
    return success(request, orjson.dumps({"model_types": types, "model_statuses": STATUSES}))


@router.get(
    "/registry/{model_id}",
    summary="One model",
    dependencies=permits("model:read"),
    responses=answers(EntryRead, 404),
)
async def get_entry(model_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """An entry by its id. The id of a model stands for its version in production, or else the newest."""
    return success(request, await views.entry(pool, await entry_named(pool, caller, model_id)))


@router.get(
    "/registry/{model_id}/metrics",
    summary="What was measured of a model",
    dependencies=permits(*_MEASURED),
    responses=answers(MetricsRead, 400, 404),
)
async def get_metrics(
    model_id: str, request: Request, caller: Caller, pool: PoolDep, window: WindowQuery = "all"
) -> Response:
    """Counters are exact, percentiles within 1 %; timings of failed inferences are among them."""
    entry = await entry_named(pool, caller, model_id, _MEASURED)
    since = window_start(window, now())
    tally = await measured(pool, entry.version_id, since)
    data = {
        **_figures(entry.version_id, tally, window, since),
        "successful_inferences": tally.successes,
        "failed_inferences": tally.failures,
        "min_timing_ms": tally.min_ms if tally.points else None,
        "max_timing_ms": tally.max_ms if tally.points else None,
    }
    return success(request, orjson.dumps(data))


@router.get(
    "/registry/{model_id}/health",
    summary="Whether a model is well",
    dependencies=permits(*_MEASURED),
    responses=answers(HealthOfModelRead, 400, 404),
)
async def get_health_of_model(
    model_id: str, request: Request, caller: Caller, pool: PoolDep, window: WindowQuery = "all"
) -> Response:
    """`health_status` is judged by the inferences of the last hour, whatever the window; all shares with their 95 %
    Wilson interval.

    `unhealthy`: surely less than 90 % succeeded, or surely more than 5 % took twice the objective for the 95th
    percentile (`metadata.serving.p95Ms` of the version). `degraded`: surely less than 95 %, or surely more than 5 %
    took longer than the objective. `unknown`: no inference, or too few to tell. `healthy`: none of these.
    """
    entry = await entry_named(pool, caller, model_id, _MEASURED)
    status, objective = await views.served(pool, entry)
    at = now()
    since = window_start(window, at)
    hour = await measured(pool, entry.version_id, window_start("1h", at))
    tally = hour if window == "1h" else await measured(pool, entry.version_id, since)
    health = judged(hour, objective)
    data = {
        **_figures(entry.version_id, tally, window, since),
        "name": entry.name,
        "version": entry.version,
        "status": status,
        "health_status": health.status,
        "reasons": health.reasons,
    }
    return success(request, orjson.dumps(data))


@router.post(
    "/registry/{model_id}/inference",
    summary="Record inferences",
    dependencies=permits("monitoring:create"),
    openapi_extra=REPORT_BODY,
    responses=answers(Recorded, 400, 403, 404, 413, 422),
)
async def record_inference(
    model_id: str,
    request: Request,
    call: CallOf,
    pool: PoolDep,
    timing_ms: Annotated[
        float | None, Query(ge=0, le=LONGEST_MS, allow_inf_nan=False, description="Required without a body.")
    ] = None,
    success_: Annotated[bool, Query(alias="success")] = True,
    error: Annotated[str | None, Query(max_length=LONGEST_ERROR, description="Only its type is kept.")] = None,
) -> Response:
    """One inference by the query, or many by the body; what is answered with success is committed.

    A body is a JSON array or NDJSON of `timing_ms`, `success` (true when absent), `error` (of failures) and `at` (of
    the last 24 hours; now when absent). One point that is not valid refuses them all, named by its `index`. Of an
    error its type is kept: the text before the first colon when it is an identifier, in snake_case. Repeating a
    report under the same Idempotency-Key does not count it again; without one it does.
    """
    entry = await entry_named(pool, None, model_id)  # whether the caller may record is decided with the recording
    body = await request.body()
    if body:
        if not {"timing_ms", "success", "error"}.isdisjoint(request.query_params):
            raise InvalidInput("A report of many inferences has them in its body and none in the query.")
        points = points_in(body, request.headers.get("content-type"))
    elif timing_ms is None:
        raise InvalidInput("timing_ms is required.", details={"field": "timing_ms"})
    else:
        points = [{"timing_ms": timing_ms, "success": success_, "error": error or None}]
        if error and success_:
            raise InvalidInput("error goes with success=false.", details={"field": "error"})
    made = call(hashlib.sha256(body).hexdigest(), timing_ms, success_, error)
    tallies = await asyncio.to_thread(tallied, points, made.at) if len(points) > 1 else tallied(points, made.at)
    report = Report(made, entry.model_id, entry.version_id, model_id, tallies)
    await request.app.state.recorder.record(report)
    return success(request, orjson.dumps({"message": "Inference recorded successfully", "recorded": len(points)}))


def _figures(version_id: str, tally: Tally, window: str, since: datetime | None) -> dict[str, Any]:
    """What metrics and health share, in the documented units."""
    rate = tally.success_rate
    return {
        "model_id": version_id,
        "total_inferences": tally.points,
        "success_rate": None if rate is None else round(rate, 2),
        "average_timing_ms": _short(tally.mean_ms),
        "percentiles": {f"p{percent}": _short(tally.quantile(percent / 100)) for percent in (50, 95, 99)},
        "error_types": dict(tally.errors.most_common()),
        "last_updated": utc_text(tally.last_at) if tally.last_at else None,
        "window": window,
        "window_start": utc_text(since) if since else None,
    }


def _short(milliseconds: float | None) -> float | None:
    """Seven digits: nobody measures more."""
    return None if milliseconds is None else float(f"{milliseconds:.7g}")
