"""Policies in force, and the parameters that an administrator may change."""

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PlatformDep, permits
from api.envelope import success
from api.schemas.base import answers
from api.schemas.governing import PolicyRead, PolicyUpdate
from governance.operations import policies
from governance.policies import ActivePolicy
from storage.composition import Platform

router = APIRouter(prefix="/api/v1/policies", tags=["Policies"])


def _active(platform: Platform) -> tuple[ActivePolicy, ...]:
    with platform.new_unit() as uow:
        return uow.policies.active()


def _shown(active: ActivePolicy) -> dict[str, object]:
    transitions = sorted(name.value for name in active.policy.transitions)
    return {"title": active.policy.title, "transitions": transitions, **active.to_json()}


@router.get("", dependencies=permits("policy:read"), responses=answers(list[PolicyRead]))
async def list_policies(request: Request, caller: Caller, platform: PlatformDep) -> Response:
    """The policies in force with their versions and parameters, in the order in which a run shows them."""
    shown = [_shown(active) for active in await run_in_threadpool(_active, platform)]
    return success(request, orjson.dumps(shown))


@router.put("/{name}", dependencies=permits("policy:update"), responses=answers(PolicyRead, 400, 403, 404))
async def update_policy(
    name: str, body: PolicyUpdate, request: Request, call: CallOf, platform: PlatformDep
) -> Response:
    """Publish new parameters as a new version. Approvals under the old version no longer bind."""
    await run_in_threadpool(policies.publish, platform.new_unit(), call(), name, body.parameters)
    active = next(a for a in await run_in_threadpool(_active, platform) if a.policy.name == name)
    return success(request, orjson.dumps(_shown(active)))
