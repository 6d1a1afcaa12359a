"""Policies: data that a second person has to agree to before it judges anything."""

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.policy_views import drafted, policy_detail, policy_name, policy_page
from api.schemas.base import answers
from api.schemas.policies import (
    Because,
    ImpactBody,
    ImpactRead,
    Kind,
    PolicyCreate,
    PolicyDetail,
    PolicyRead,
    PolicyUpdate,
    ReportRead,
    State,
    TrialBody,
    TrialRead,
    ViolationRead,
    WrittenRead,
)
from governance.errors import InvalidInput
from governance.lifecycle import TransitionName
from governance.operations import policies, policy_trials
from governance.operations.calls import Call
from governance.operations.policies import Proposed
from governance.policies.scope import KINDS
from governance.ports import UnitOfWork
from storage.composition import Platform, now
from storage.queries import decisions
from storage.queries import policies as views

router = APIRouter(prefix="/api/v1/policies", tags=["Policies"])
CHANGES = "/api/v1/policies/changes"
_DEFINITION = ("title", "kind", "enforcement", "scope", "rules", "samples")


def definition_of(body: PolicyUpdate | ImpactBody) -> dict[str, Any] | None:
    """The whole definition in the body; None when it has none. Raises InvalidInput for a part of one."""
    given = body.model_dump(by_alias=True, include=set(_DEFINITION), exclude_none=True)
    if given and (missing := [name for name in _DEFINITION if name not in given]):
        raise InvalidInput(
            f"A definition is whole: {', '.join(missing)} missing.", details={"field": missing[0], "missing": missing}
        )
    return given or None


async def written(
    request: Request, platform: Platform, pool: PoolDep, done: Proposed, *, status: int = 202
) -> Response:
    """The policy as it is now, and the change that waits for a second person."""
    detail = await run_in_threadpool(policy_detail, platform, done.policy)
    change = (await views.change(pool, done.change_id)).encode() if done.change_id else b"null"
    path = f"/api/v1/policies/{done.policy}"
    location = f"{CHANGES}/{done.change_id}" if done.change_id else path
    data = b'{"policy":' + orjson.dumps(detail) + b',"change":' + change + b"}"
    return success(
        request, data, status=status, headers={"Location": location}, links={"policy": path, "change": location}
    )


@router.get("", dependencies=permits("policy:read"), responses=answers(list[PolicyRead], 400))
async def list_policies(
    request: Request,
    platform: PlatformDep,
    page: PageDep,
    kind: Annotated[Kind | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    transition: Annotated[TransitionName | None, Query(description="Whose scope names it.")] = None,
) -> Response:
    """The policies with their versions, in the order in which a run shows them; retired ones only when asked for."""
    found = await run_in_threadpool(
        policy_page, platform, page, kind=kind, state=state, transition=transition.value if transition else None
    )
    return listed(request, found)


@router.post(
    "",
    dependencies=permits("policy:update"),
    status_code=201,
    responses=answers(WrittenRead, 400, 403, 409, 422, status=201, description="Written"),
)
async def create_policy(
    body: PolicyCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Write a policy and propose it. It judges nothing until a second person approves the change at `Location`.

    Its rules are compiled (`details.problems` has line and column), and its samples are tried: the allowed ones have to
    pass, the denied ones not.
    """
    definition = body.model_dump(by_alias=True, exclude={"reason", "draft"})
    done = await run_in_threadpool(
        policies.create,
        platform.new_unit(),
        call(body.model_dump()),
        definition,
        reason=body.reason,
        draft=body.draft,
    )
    return await written(request, platform, pool, done, status=201)


def _of_kind(kind: str) -> Callable[..., Any]:
    async def list_of_kind(request: Request, platform: PlatformDep, page: PageDep) -> Response:
        found = await run_in_threadpool(policy_page, platform, page, kind=kind, state=None, transition=None)
        return listed(request, found)

    list_of_kind.__name__ = f"list_{kind}_policies"
    list_of_kind.__doc__ = f"The policies of the kind {kind} (catalog, Policy Types)."
    return list_of_kind


for _kind in KINDS:
    router.add_api_route(
        f"/{_kind}",
        _of_kind(_kind),
        methods=["GET"],
        dependencies=permits("policy:read"),
        responses=answers(list[PolicyRead], 400),
    )


@router.get("/{policy_id}", dependencies=permits("policy:read"), responses=answers(PolicyDetail, 404))
async def get_policy(policy_id: str, request: Request, platform: PlatformDep) -> Response:
    """One policy by its name or id, with all its versions and its samples."""
    return success(request, orjson.dumps(await run_in_threadpool(policy_detail, platform, policy_id)))


@router.put(
    "/{policy_id}",
    dependencies=permits("policy:update"),
    status_code=202,
    responses=answers(WrittenRead, 400, 403, 404, 409, 422, status=202, description="Proposed"),
)
async def update_policy(
    policy_id: str, body: PolicyUpdate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Propose a new version: parameters of a built-in policy, or a whole definition.

    Once a second person has approved it, approvals that were given under the old version no longer bind.
    """
    done = await run_in_threadpool(
        policies.change,
        platform.new_unit(),
        call(body.model_dump()),
        policy_id,
        definition=definition_of(body),
        parameters=body.parameters,
        reason=body.reason,
        draft=body.draft,
    )
    return await written(request, platform, pool, done)


@router.delete(
    "/{policy_id}",
    dependencies=permits("policy:update"),
    status_code=202,
    responses=answers(WrittenRead, 400, 403, 404, 409, 422, status=202, description="Proposed"),
)
async def retire_policy(
    policy_id: str,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    reason: Annotated[str, Query(max_length=2_000)] = "",
) -> Response:
    """Propose to retire it, for ever. Its versions stay readable, and its name is not given again.

    409 POLICY_REQUIRED for what every judgement stands on, and where a transition would be judged by nobody.
    """
    done = await run_in_threadpool(policies.retire, platform.new_unit(), call(reason), policy_id, reason=reason)
    return await written(request, platform, pool, done)


async def _proposed(
    operation: Callable[..., Proposed],
    policy_id: str,
    body: Because | None,
    request: Request,
    call: Callable[..., Call],
    platform: Platform,
    pool: PoolDep,
) -> Response:
    reason = body.reason if body else ""
    done = await run_in_threadpool(operation, platform.new_unit(), call(reason), policy_id, reason=reason)
    return await written(request, platform, pool, done)


@router.post(
    "/{policy_id}/enable",
    dependencies=permits("policy:update"),
    status_code=202,
    responses=answers(WrittenRead, 400, 403, 404, 409, 422, status=202, description="Proposed"),
)
async def enable_policy(
    policy_id: str,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    body: Annotated[Because | None, Body()] = None,
) -> Response:
    """Propose that its draft, or what was disabled of it, comes into force."""
    return await _proposed(policies.enable, policy_id, body, request, call, platform, pool)


@router.post(
    "/{policy_id}/disable",
    dependencies=permits("policy:update"),
    status_code=202,
    responses=answers(WrittenRead, 400, 403, 404, 409, 422, status=202, description="Proposed"),
)
async def disable_policy(
    policy_id: str,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    body: Annotated[Because | None, Body()] = None,
) -> Response:
    """Propose that it judges no longer, for now. 409 POLICY_REQUIRED as for retiring."""
    return await _proposed(policies.disable, policy_id, body, request, call, platform, pool)


@router.post(
    "/{policy_id}/evaluate",
    dependencies=permits("policy:read"),
    status_code=201,
    responses=answers(TrialRead, 400, 403, 404, 422, status=201),
)
async def evaluate_policy(
    policy_id: str,
    body: TrialBody,
    request: Request,
    caller: Caller,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """Judge one version, or given evidence (`sample`), by this policy. Nothing moves; the answer is stored."""
    about = (body.model_id, body.version, body.transition)
    made: str
    if body.sample is not None:
        if any(about):
            raise InvalidInput("Give a version with its transition, or a sample.", details={"field": "sample"})
        made = await run_in_threadpool(
            policy_trials.try_on_evidence, platform.new_unit(), call(body.model_dump()),
            policy=policy_id, sample=body.sample,
        )  # fmt: skip
    else:
        if body.model_id is None or body.version is None or body.transition is None:
            raise InvalidInput("modelId, version and transition, or a sample.", details={"field": "modelId"})
        made = await run_in_threadpool(
            _on_version,
            platform.new_unit(),
            call(body.model_dump()),
            body,
            identifier("model", body.model_id),
            policy_id,
        )
    location = f"/api/v1/policies/results/{made}"
    data = await views.evaluation(pool, caller, made)
    return success(request, data, status=201, headers={"Location": location}, links={"self": location})


def _on_version(uow: UnitOfWork, call: Call, body: TrialBody, model_id: str, policy: str) -> str:
    return policy_trials.try_on_version(
        uow,
        call,
        model_id=model_id,
        version=body.version or "",
        transition=body.transition or "",
        reason=body.reason,
        policy=policy,
    )


@router.get(
    "/{policy_id}/violations",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(list[ViolationRead], 400, 404),
)
async def list_violations(
    policy_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep, page: PageDep
) -> Response:
    """Where it did not pass, in the decisions that you may see, newest first."""
    name = await run_in_threadpool(policy_name, platform, policy_id)
    return listed(request, await views.violations(pool, caller, name, page))


@router.get(
    "/{policy_id}/report", dependencies=permits("model:read", "provenance:read"), responses=answers(ReportRead, 404)
)
async def policy_report(
    policy_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep
) -> Response:
    """How its verdicts came out, by version, with the newest violations; of the decisions that you may see."""
    detail = await run_in_threadpool(policy_detail, platform, policy_id)
    for own in ("samples", "versions", "pendingChange"):
        del detail[own]
    found = await views.report(pool, caller, detail["name"])
    recent = found.pop("recent").encode()
    return success(request, orjson.dumps({"policy": detail, **found})[:-1] + b',"recent":' + recent + b"}")


@router.post(
    "/{policy_id}/impact",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(ImpactRead, 403, 404),
)
async def policy_impact(
    policy_id: str,
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
    body: Annotated[ImpactBody | None, Body()] = None,
) -> Response:
    """The time machine: which past decisions would flip, and which versions in staging and production would fall out.

    Held against the past is what is proposed, else the newest draft, else what the body says. Nothing is stored; only
    decisions and versions that you may see are looked at.
    """
    wish = body or ImpactBody()
    draft = await run_in_threadpool(
        drafted,
        platform,
        policy_id,
        version=wish.version,
        parameters=wish.parameters,
        definition=definition_of(wish),
    )
    return success(request, orjson.dumps(await decisions.impact(pool, caller, draft, now())))
