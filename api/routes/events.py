"""What happened, in the order in which it did: for those who follow by asking."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import Caller, PageDep, PoolDep, permits
from api.envelope import listed
from api.schemas.base import answers
from api.schemas.deadlines import EventRead
from storage.queries import deadlines as views

router = APIRouter(prefix="/api/v1/events", tags=["Events"])


@router.get("", dependencies=permits("model:read", "provenance:read"), responses=answers(list[EventRead], 400))
async def list_events(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    after: Annotated[str | None, Query(max_length=100, description="The nextToken of an earlier answer.")] = None,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
    kind: Annotated[str | None, Query(alias="type", max_length=100)] = None,
) -> Response:
    """Events about what the caller may see, oldest first. Keep `pagination.nextToken` and ask again `after` it:
    nothing is missed and nothing comes twice.
    """
    asked = replace(page, token=page.token or after)
    found = await views.events(pool, caller, asked, model_id=str(model_id) if model_id else None, kind=kind)
    return listed(request, found)
