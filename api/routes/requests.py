"""Transition requests: read, list, decide, withdraw, try again."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.requesting import dashboard_link, gather_again, request_path, wake_until_heard
from api.reviewing import reviewed
from api.schemas.base import answers
from api.schemas.deadlines import LinkRead
from api.schemas.governing import Decide, RequestRead, RequestSummary, Withdraw
from governance.canonical import rendered
from governance.errors import ApprovalInvalidated
from governance.lifecycle import TransitionName, VersionState
from governance.operations import transitions
from governance.operations.calls import Call
from governance.operations.launching import relaunch
from governance.requests import RequestStatus, TransitionRequest
from storage import request_links
from storage.composition import Platform, now
from storage.queries import requests as views

router = APIRouter(prefix="/api/v1/transition-requests", tags=["Transition requests"])


def _links(platform: Platform, found: TransitionRequest) -> dict[str, str]:
    path = request_path(found.id)
    return {"self": path, "approvals": f"{path}/approvals", **dashboard_link(platform, found.flow_run_id)}


@router.get("", dependencies=permits("model:read", "provenance:read"), responses=answers(list[RequestSummary], 400))
async def list_requests(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    status: Annotated[RequestStatus | None, Query(description="State of the request.")] = None,
    state: Annotated[VersionState | None, Query(description="Present state of the version.")] = None,
    transition: Annotated[TransitionName | None, Query()] = None,
    model_id: Annotated[UUID | None, Query(alias="modelId")] = None,
) -> Response:
    """Requests, newest first. `status=awaiting_approval` is what waits for people."""
    found = await views.requests(
        pool,
        caller,
        page,
        status=status,
        state=state,
        transition=transition,
        model_id=str(model_id) if model_id else None,
    )
    return listed(request, found)


@router.get("/{request_id}", dependencies=permits("model:read", "provenance:read"), responses=answers(RequestRead, 404))
async def get_request(
    request_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep
) -> Response:
    """One request with its gates, its evidence and the decisions about it; whether it still is what was frozen, and
    what changed since it was last sent back."""
    data, run = await views.request_and_run(pool, caller, request_id)
    path = request_path(request_id)
    return success(
        request,
        await reviewed(platform, pool, data),
        links={"self": path, "approvals": f"{path}/approvals", **dashboard_link(platform, run)},
    )


@router.get(
    "/{request_id}/link", dependencies=permits("model:read", "provenance:read"), responses=answers(LinkRead, 400, 404)
)
async def link(
    request_id: str,
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
    days: Annotated[int, Query(ge=1, le=30, description="How long the link is good.")] = 7,
) -> Response:
    """A signed address of the request's page, for chat and mail. It leads there and grants nothing: whoever opens it
    signs in, and sees the page if they may.
    """
    found = identifier("transition request", request_id)
    await views.request(pool, caller, found)
    at = now()
    path = request_links.sign(f"/runs/{found}", key=platform.link_key, at=at, ttl=timedelta(days=days))
    expires = rendered(at + timedelta(days=days))
    shown = {"url": f"{platform.settings.api_url.rstrip('/')}{path}", "expiresAt": expires}
    return success(request, orjson.dumps(shown), links={"request": request_path(found)})


@router.post(
    "/{request_id}/approvals",
    dependencies=permits("approval:decide", "self:manage"),  # a delegate decides with the rights of somebody else
    status_code=201,
    responses=answers(RequestRead, 400, 403, 404, 409, 422, status=201),
)
async def decide(
    request_id: str,
    body: Decide,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    background: BackgroundTasks,
) -> Response:
    """Approve, reject or ask for changes to exactly the evidence with this digest.

    409 APPROVAL_INVALIDATED when anything changed since the evidence was frozen; `details.difference` shows what,
    and the evidence is gathered again. 403 SELF_APPROVAL for the requester. `onBehalfOf` decides for whoever delegated
    it to the caller.
    """
    found = identifier("transition request", request_id)
    made = call(body.model_dump())
    try:
        decided = await run_in_threadpool(
            transitions.decide,
            platform.new_unit(),
            made,
            found,
            decision=body.decision,
            comment=body.comment,
            evidence_digest=body.evidence_digest,
            on_behalf_of=body.on_behalf_of.lower() if body.on_behalf_of is not None else None,
        )
    except ApprovalInvalidated as refusal:
        if refusal.details.get("difference"):
            await run_in_threadpool(gather_again, platform, made, found)
        raise
    answer = success(
        request,
        await views.request(pool, None, found),
        status=201,
        headers={"Location": request_path(found)},
        links=_links(platform, decided),
    )
    background.add_task(wake_until_heard, platform, made, decided)
    answer.background = background
    return answer


@router.post(
    "/{request_id}/withdraw",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(RequestRead, 400, 403, 404, 409, 422),
)
async def withdraw(
    request_id: str,
    body: Withdraw,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    background: BackgroundTasks,
) -> Response:
    """Take a request back. Its requester or an administrator may, until it has its outcome."""
    found = identifier("transition request", request_id)
    made = call(body.model_dump())
    withdrawn = await run_in_threadpool(transitions.withdraw, platform.new_unit(), made, found, body.reason)
    answer = success(request, await views.request(pool, None, found), links=_links(platform, withdrawn))
    background.add_task(wake_until_heard, platform, made, withdrawn)
    answer.background = background
    return answer


@router.post(
    "/{request_id}/retry",
    dependencies=permits("model:read", "provenance:read"),
    status_code=202,
    responses=answers(RequestRead, 403, 404, 409, status=202),
)
async def retry(request_id: str, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep) -> Response:
    """Start the flow of an undecided request again, e.g. after its run was cancelled in the dashboard."""
    found = identifier("transition request", request_id)
    made = call()
    await run_in_threadpool(_retry, platform, made, found)
    return success(
        request,
        await views.request(pool, None, found),
        status=202,
        headers={"Location": request_path(found)},
        links={"self": request_path(found)},
    )


def _retry(platform: Platform, call: Call, request_id: str) -> None:
    transitions.check_may_retry(platform.new_unit(), call, request_id)
    relaunch(platform.new_unit, platform.launcher, call, request_id, f"{call.person.name} asked for it")
