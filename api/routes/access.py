"""Why something is allowed or not, and whom a model is open to."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, PoolDep, identifier, permits
from api.envelope import success
from api.schemas.base import answers
from api.schemas.people import Explanation
from api.schemas.registry import AccessRuleRead, AccessRuleUpdate
from governance.operations import explaining, registry
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1", tags=["Access"])


@router.get("/access/explain", dependencies=permits("self:read"), responses=answers(Explanation, 400, 403, 404))
async def explain_access(
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    permission: Annotated[str, Query(max_length=100, description="E.g. `model:read`.")],
    kind: Annotated[Literal["model", "dataset"] | None, Query(description="What kind of asset `id` names.")] = None,
    asset_id: Annotated[str | None, Query(alias="id", description="The asset; without it: at all, anywhere.")] = None,
    user: Annotated[
        str | None, Query(max_length=200, description="Id or name of somebody else: administrators.")
    ] = None,
) -> Response:
    """Which policies allow or deny something to the caller, or for administrators to anybody. Nothing is done.

    An asset that the caller may not see answers 404 here as elsewhere.
    """
    found = identifier(kind or "asset", asset_id) if asset_id is not None else None
    answer = await run_in_threadpool(
        explaining.explain, platform.new_unit(), call(), permission, kind=kind, asset_id=found, user=user
    )
    return success(request, orjson.dumps(answer))


@router.get(
    "/models/{model_id}/access", dependencies=permits("model:read"), responses=answers(AccessRuleRead, 403, 404)
)
async def get_model_access(model_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """Whom a model is open to."""
    return success(request, await views.model_access(pool, caller, identifier("model", model_id)))


@router.put(
    "/models/{model_id}/access",
    dependencies=permits("model:share"),
    responses=answers(AccessRuleRead, 400, 403, 404, 422),
)
async def change_model_access(
    model_id: str, body: AccessRuleUpdate, request: Request, call: CallOf, platform: PlatformDep
) -> Response:
    """Replace whom a model is open to; it holds from the next call on. Needs `model:share` in a group that owns it."""
    found = identifier("model", model_id)
    asked = body.model_dump(by_alias=True, exclude_unset=True)
    rule = await run_in_threadpool(registry.change_model_access, platform.new_unit(), call(asked), found, asked)
    return success(request, orjson.dumps(rule.to_json()))
