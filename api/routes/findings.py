"""Findings: what somebody has to look at."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.deps import Caller, PageDep, PoolDep, permits
from api.envelope import listed
from api.schemas.base import answers
from api.schemas.registry import FindingRead
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1/findings", tags=["Findings"])


@router.get("", dependencies=permits("model:read", "provenance:read"), responses=answers(list[FindingRead], 400))
async def list_findings(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
    status: Annotated[Literal["open", "closed"] | None, Query()] = None,
) -> Response:
    """Findings, newest first. A rollback opens one."""
    found = await views.findings(pool, caller, page, model_id=str(model_id) if model_id else None, status=status)
    return listed(request, found)
