"""What serves where."""

from fastapi import APIRouter, Request, Response

from api.deps import Caller, PoolDep, identifier, permits
from api.envelope import success
from api.schemas.base import answers
from api.schemas.registry import TrafficRead
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1/models/{model_id}/deployments", tags=["Deployments"])


@router.get("", dependencies=permits("model:read", "deployment:read"), responses=answers(list[TrafficRead], 404))
async def list_deployments(model_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """Environments of a model with their endpoint and the share of traffic of each version."""
    return success(request, await views.traffic(pool, caller, identifier("model", model_id)))
