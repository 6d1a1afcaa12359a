"""What waits for the caller's decision, and one decision about many requests that change the same."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, permits
from api.envelope import listed, success
from api.errors import code_of
from api.requesting import gather_again, wake_until_heard
from api.schemas.base import answers
from api.schemas.deciding import Batch, BatchOutcome, InboxItem
from governance.errors import ApprovalInvalidated
from governance.operations import batches
from governance.operations.calls import Call
from storage.composition import Platform, now
from storage.queries.inbox import inbox

router = APIRouter(prefix="/api/v1/approvals", tags=["Approvals"])


@router.get("", dependencies=permits("approval:decide"), responses=answers(list[InboxItem], 400, 403))
async def list_inbox(
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
    page: PageDep,
    everything: Annotated[
        bool, Query(alias="all", description="Also what the caller cannot decide, with the reason.")
    ] = False,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
) -> Response:
    """Requests that wait for the caller: what is asked, what speaks for and against it, and what it would change.

    Left out is what the caller took part in making, and what they have decided about as it stands. A decision binds
    to `evidenceDigest`: `POST /api/v1/transition-requests/{id}/approvals`.
    """
    base = platform.settings.dashboard_url.rstrip("/")
    found = await inbox(
        pool,
        caller,
        page,
        everything=everything,
        model_id=str(model_id) if model_id else None,
        at=now(),
        page_url=f"{platform.settings.api_url.rstrip('/')}/runs/",
        dashboard=f"{base}/runs/flow-run/" if base else "",
    )
    return listed(request, found)


@router.post(
    "/batch", dependencies=permits("approval:decide"), responses=answers(list[BatchOutcome], 400, 403, 409, 422)
)
async def decide_batch(
    body: Batch, request: Request, call: CallOf, platform: PlatformDep, background: BackgroundTasks
) -> Response:
    """Decide alike about requests whose `differenceDigest` is the same; 422 DIFFERENT_CHANGES says which differ.

    Each request is checked and recorded by itself, as by a decision about it alone, and answered in the order given.
    """
    items = [batches.Item(item.request_id.lower(), item.evidence_digest) for item in body.items]
    made = call(body.model_dump())
    outcomes = await run_in_threadpool(
        batches.decide_all, platform.new_unit, made, items, decision=body.decision, comment=body.comment
    )
    answer = success(request, orjson.dumps([_told(outcome) for outcome in outcomes]))
    background.add_task(_wake, platform, made, outcomes)
    answer.background = background
    return answer


def _told(outcome: batches.Outcome) -> dict[str, object]:
    error = outcome.error
    return {
        "requestId": outcome.request_id,
        "recorded": error is None,
        "code": code_of(error) if error else None,
        "message": error.message if error else None,
        "details": error.details if error else None,
    }


def _wake(platform: Platform, call: Call, outcomes: list[batches.Outcome]) -> None:
    for outcome in outcomes:
        if outcome.request is not None:
            wake_until_heard(platform, call, outcome.request, seconds=1.0)
        elif isinstance(outcome.error, ApprovalInvalidated) and outcome.error.details.get("difference"):
            gather_again(platform, call, outcome.request_id)
