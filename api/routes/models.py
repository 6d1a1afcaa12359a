"""Models: create, list, read."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.registry import ModelCreate, ModelDetail, ModelRead, RiskTier
from governance.lifecycle import VersionState
from governance.operations import registry
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1/models", tags=["Models"])


@router.post(
    "",
    dependencies=permits("model:create"),
    status_code=201,
    responses=answers(ModelDetail, 400, 403, 409, 422, status=201),
)
async def create_model(
    body: ModelCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Register a model. Its name is unique in its group."""
    access = body.access.model_dump(by_alias=True, exclude_unset=True) if body.access is not None else {}
    new = registry.NewModel(body.name, body.group, body.description, body.owners, body.risk_tier, body.tags, access)
    model_id = await run_in_threadpool(registry.create_model, platform.new_unit(), call(body.model_dump()), new)
    location = f"/api/v1/models/{model_id}"
    return success(
        request,
        await views.model(pool, None, model_id),
        status=201,
        headers={"Location": location},
        links={"self": location},
    )


@router.get("", dependencies=permits("model:read"), responses=answers(list[ModelRead], 400))
async def list_models(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    search: Annotated[str | None, Query(max_length=200, description="Part of the name or description.")] = None,
    group: Annotated[str | None, Query(max_length=200)] = None,
    owner: Annotated[str | None, Query(max_length=200)] = None,
    risk_tier: Annotated[RiskTier | None, Query(alias="riskTier")] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[VersionState | None, Query(description="Models with a version in this state.")] = None,
) -> Response:
    """Models, newest first. Filters combine."""
    found = await views.models(
        pool, caller, page, search=search, group=group, owner=owner, risk_tier=risk_tier, tag=tag, state=state
    )
    return listed(request, found)


@router.get("/{model_id}", dependencies=permits("model:read"), responses=answers(ModelDetail, 404))
async def get_model(model_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One model, with the number of its versions in each state."""
    found = identifier("model", model_id)
    return success(
        request, await views.model(pool, caller, found), links={"versions": f"/api/v1/models/{found}/versions"}
    )
