"""Changes of policies, and the second person's decision about them."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.policy_views import draft_of_change
from api.schemas.base import answers
from api.schemas.policies import ChangeDecide, ChangeDetail, ChangeRead
from governance.access.decisions import decide
from governance.operations import policies
from storage.composition import now
from storage.queries import decisions
from storage.queries import policies as views
from storage.queries.visibility import HISTORY

router = APIRouter(prefix="/api/v1/policies/changes", tags=["Policies"])
_MAY_SEE = permits("policy:update", "policy:approve", "audit:read")


@router.get("", dependencies=_MAY_SEE, responses=answers(list[ChangeRead], 400, 403))
async def list_changes(
    request: Request,
    pool: PoolDep,
    page: PageDep,
    policy: Annotated[str | None, Query(max_length=64, description="Name of a policy.")] = None,
    state: Annotated[Literal["pending", "approved", "rejected"] | None, Query()] = None,
) -> Response:
    """Changes of policies, newest first. `state=pending` is what waits for a second person."""
    return listed(request, await views.changes(pool, page, policy=policy, state=state))


@router.get("/{change_id}", dependencies=_MAY_SEE, responses=answers(ChangeDetail, 403, 404))
async def get_change(
    change_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep
) -> Response:
    """One change with its digest and, while it waits, what it would have decided differently in the past."""
    found = identifier("policy change", change_id)
    data = await views.change(pool, found)
    draft = await run_in_threadpool(draft_of_change, platform, found)
    impact = b"null"
    if draft is not None and any(decide(caller, permission).allowed for permission in HISTORY):
        impact = orjson.dumps(await decisions.impact(pool, caller, draft, now()))
    return success(request, data.encode()[:-1] + b',"impact":' + impact + b"}")


async def _decided(
    decision: str,
    change_id: str,
    body: ChangeDecide,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    found = identifier("policy change", change_id)
    await run_in_threadpool(
        policies.decide,
        platform.new_unit(),
        call(decision, body.model_dump()),
        found,
        decision=decision,
        digest=body.digest,
        comment=body.comment,
    )
    return success(request, await views.change(pool, found))


@router.post(
    "/{change_id}/approve",
    dependencies=permits("policy:approve"),
    responses=answers(ChangeRead, 400, 403, 404, 409, 422),
)
async def approve_change(
    change_id: str, body: ChangeDecide, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Let it come into force: a person other than who proposed it, with the digest of what they read.

    403 SELF_APPROVAL for the proposer behind whatever account; 409 when the digest is of something else, or when it was
    decided already. Its samples are tried once more.
    """
    return await _decided("approve", change_id, body, request, call, platform, pool)


@router.post(
    "/{change_id}/reject",
    dependencies=permits("policy:approve"),
    responses=answers(ChangeRead, 400, 403, 404, 409, 422),
)
async def reject_change(
    change_id: str, body: ChangeDecide, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Refuse it, with a comment that says why. A new version becomes a draft again. The proposer withdraws it so."""
    return await _decided("reject", change_id, body, request, call, platform, pool)
