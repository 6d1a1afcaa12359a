"""Periodic reviews of what was approved for production."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.deadlines import ReviewCreate, ReviewRead
from governance.operations import periodic_reviews
from storage.composition import now
from storage.queries import deadlines as views

router = APIRouter(tags=["Reviews"])


@router.get(
    "/api/v1/reviews", dependencies=permits("model:read", "provenance:read"), responses=answers(list[ReviewRead], 400)
)
async def list_reviews(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
    status: Annotated[Literal["open", "completed", "superseded", "lapsed"] | None, Query()] = None,
    overdue: Annotated[bool | None, Query(description="Open, and past its date.")] = None,
) -> Response:
    """Reviews, the latest planned first. `status=open` is what is to come, `overdue=true` what is late."""
    model = str(model_id) if model_id else None
    found = await views.reviews(pool, caller, page, now(), model_id=model, status=status, overdue=overdue)
    return listed(request, found)


@router.post(
    "/api/v1/models/{model_id}/versions/{version}/reviews",
    dependencies=permits("approval:decide"),
    status_code=201,
    responses=answers(ReviewRead, 400, 403, 404, 409, 422, status=201),
)
async def record_review(
    model_id: str,
    version: str,
    body: ReviewCreate,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """An approver looked again and stands by the approval. Closes the finding of an overdue review; answers with the
    next one. 403 CONFLICT_OF_INTEREST for whoever took part in making the version or asked for the approval.
    """
    made = call(body.model_dump())
    next_id = await run_in_threadpool(
        periodic_reviews.record_review, platform.new_unit(), made, identifier("model", model_id), version, body.comment
    )
    return success(request, await views.review(pool, next_id, made.at), status=201)
