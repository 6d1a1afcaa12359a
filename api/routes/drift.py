"""Drift of versions in use: what comes in, as counts, and how far it is from what they were released on."""

import hashlib
from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, PoolDep, permits
from api.envelope import success
from api.schemas.base import answers
from api.schemas.drift import DriftRead, ObservationsRead
from governance.drift.observations import MOST_BYTES
from governance.operations import drift
from storage.composition import now
from storage.queries.enterprise import entry_named

router = APIRouter(prefix="/api/models/enterprise/registry", tags=["Drift"])

_OBSERVATION = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "inputs": {"type": "object", "description": "Values by feature; one that is absent counts as missing."},
        "prediction": {"description": "The answer of the model, if it is known."},
        "at": {"type": "string", "format": "date-time", "description": "When it happened; now if absent."},
    },
    "example": {"inputs": {"age": 41, "region": "north"}, "prediction": "1", "at": "2026-01-31T09:30:00Z"},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": _OBSERVATION, "minItems": 1, "maxItems": 10000}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One observation a line."}},
        },
    }
}


@router.post(
    "/{model_id}/observations",
    dependencies=permits(drift.RECORDING),
    openapi_extra=_BODY,
    responses=answers(ObservationsRead, 400, 403, 404, 409, 413, 422),
    summary="Record live inputs and predictions",
)
async def record_observations(
    model_id: str, request: Request, caller: Caller, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Count what a version in use is asked and answers, for drift. Values are sorted into the cells of the version's
    reference and only counts are stored. All observations of a call are counted, or none.

    409 NO_DRIFT_REFERENCE while nothing is pinned that they could be compared with.
    """
    entry = await entry_named(pool, caller, model_id, ("model:read", drift.RECORDING))
    request.state.body_limit = MOST_BYTES
    body = await request.body()
    asked = call(hashlib.sha256(body).hexdigest())
    found = await run_in_threadpool(drift.record, platform.new_unit(), asked, entry.model_id, entry.version_id, body)
    return success(
        request,
        orjson.dumps(
            {
                "message": "Observations recorded successfully",
                "version_id": entry.version_id,
                "recorded": found.observations,
                "unknown_values": found.unknown,
            }
        ),
    )


@router.get(
    "/{model_id}/drift",
    dependencies=permits("model:read"),
    responses=answers(DriftRead, 404, 409),
    summary="Drift of live traffic",
)
async def get_drift(
    model_id: str,
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
    days: Annotated[int, Query(ge=1, le=90, description="How far to look back.")] = 7,
) -> Response:
    """How far live inputs and predictions are from the pinned reference: PSI, chi-squared, Kolmogorov-Smirnov and
    Wasserstein-1 of every feature, with sizes, intervals and the false discovery rate over all of them.

    409 NO_DRIFT_REFERENCE while nothing is pinned.
    """
    entry = await entry_named(pool, caller, model_id)
    until = now()
    report = await run_in_threadpool(
        drift.report, platform.new_unit(), entry.version_id, until - timedelta(days=days), until
    )
    return success(request, orjson.dumps({"model_id": entry.model_id, **report.to_json()}))
