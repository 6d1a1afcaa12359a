"""Past decisions, judged again."""

import orjson
from fastapi import APIRouter, Request, Response

from api.deps import Caller, PoolDep, identifier, permits
from api.envelope import success
from api.schemas.base import answers
from api.schemas.policies import ReplayRead
from storage.queries import decisions

router = APIRouter(prefix="/api/v1/transition-requests", tags=["Transition requests"])


@router.get(
    "/{request_id}/replay",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(ReplayRead, 404, 409),
)
async def replay_request(request_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """Judge a settled request again, from its frozen evidence and the policies in it alone.

    `same`: the verdicts are what was recorded, byte for byte in canonical JSON. 409 while nothing is settled.
    """
    past, again = await decisions.replayed(pool, caller, identifier("transition request", request_id))
    recorded = "applied" if past.applied else "denied"
    shown = {"requestId": past.request_id, "transition": past.transition, "recorded": recorded, **again.to_json()}
    return success(request, orjson.dumps(shown))
