"""Delegations: who decides for whom, about what, until when."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.deciding import DelegationCreate, DelegationRead, moment
from governance.operations import delegations
from storage.queries import deciding as views

router = APIRouter(prefix="/api/v1/delegations", tags=["Approvals"])


@router.get("", dependencies=permits("self:read"), responses=answers(list[DelegationRead], 400, 403))
async def list_delegations(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The delegations that the caller gave or has, newest first; for administrators all."""
    return listed(request, await views.delegations(pool, caller, page))


@router.post(
    "",
    dependencies=permits("approval:decide"),
    status_code=201,
    responses=answers(DelegationRead, 400, 403, 404, 409, 422, status=201),
)
async def create_delegation(
    body: DelegationCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Let somebody else decide for the caller, for at most 30 days. They decide with the caller's roles and groups.

    They name the caller in `onBehalfOf`. They cannot hand it on, nor decide what either of the two took part in.
    """
    new = delegations.NewDelegation(
        delegate=body.delegate,
        ends_at=moment("endsAt", body.ends_at),
        starts_at=moment("startsAt", body.starts_at) if body.starts_at is not None else None,
        groups=body.groups,
        transitions=body.transitions,
        risk_tiers=body.risk_tiers,
        reason=body.reason,
    )
    made = await run_in_threadpool(delegations.delegate, platform.new_unit(), call(body.model_dump()), new)
    location = f"/api/v1/delegations/{made}"
    return success(request, await views.delegation(pool, made), status=201, headers={"Location": location})


@router.delete("/{delegation_id}", dependencies=permits("self:manage"), responses=answers(DelegationRead, 403, 404))
async def revoke_delegation(
    delegation_id: str, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Take a delegation back, give it back, or as an administrator end it. What it decided and still waits is void."""
    found = identifier("delegation", delegation_id)
    await run_in_threadpool(delegations.revoke, platform.new_unit(), call(), found)
    return success(request, await views.delegation(pool, found))
