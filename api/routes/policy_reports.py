"""What rules may speak of, trials of all policies, and reports over the decisions they judged."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.policies import ChangeRead, ComplianceRead, EvaluateBody, TrialRead, VariableRead
from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.operations import policy_trials
from governance.operations.calls import Call
from governance.policies import ActivePolicy
from governance.policies.scope import KINDS
from governance.policy_changes import PolicyVersion
from governance.rules.variables import VARIABLES
from storage.composition import Platform, now
from storage.queries import decisions
from storage.queries import policies as views

router = APIRouter(prefix="/api/v1/policies", tags=["Policies"])
_PERIOD = timedelta(days=30)
_COUNTED = ("passed", "failed", "unknown", "overridden")


@router.get("/variables", dependencies=permits("policy:read"), responses=answers(list[VariableRead]))
async def list_variables(request: Request) -> Response:
    """The facts that rules may speak of, with their CEL types. Anything else is refused when a rule is written."""
    return success(request, orjson.dumps([variable.to_json() for variable in VARIABLES]))


@router.post(
    "/evaluate",
    dependencies=permits("policy:read"),
    status_code=201,
    responses=answers(TrialRead, 400, 403, 404, 422, status=201),
)
async def evaluate_policies(
    body: EvaluateBody, request: Request, caller: Caller, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Judge a version for a transition by every applicable policy, clause by clause, without moving anything.

    The subject is read from the tables as it is now; measurements come from the evidence in `measuredFrom`, and without
    any, policies that need them say that nobody measured. The answer is stored.
    """
    made = await run_in_threadpool(
        _try_all, platform, call(body.model_dump()), body, identifier("model", body.model_id)
    )  # fmt: skip
    location = f"/api/v1/policies/results/{made}"
    data = await views.evaluation(pool, caller, made)
    return success(request, data, status=201, headers={"Location": location}, links={"self": location})


def _try_all(platform: Platform, call: Call, body: EvaluateBody, model_id: str) -> str:
    return policy_trials.try_on_version(
        platform.new_unit(),
        call,
        model_id=model_id,
        version=body.version,
        transition=body.transition,
        reason=body.reason,
    )


@router.get("/results/{evaluation_id}", dependencies=permits("policy:read"), responses=answers(TrialRead, 403, 404))
async def get_evaluation(evaluation_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """A stored answer of an evaluation."""
    return success(request, await views.evaluation(pool, caller, evaluation_id))


@router.get(
    "/compliance-report",
    dependencies=permits("model:read", "provenance:read"),
    responses=answers(ComplianceRead, 400),
)
async def compliance_report(
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
    since: Annotated[datetime | None, Query(description="Settled from then on; 30 days before `until`.")] = None,
    until: Annotated[datetime | None, Query(description="Settled before then; now.")] = None,
) -> Response:
    """How the verdicts of each policy came out over a period, and what in production the policies refuse today.

    Over the decisions and versions that you may see. Production is judged by the evidence of its promotion.
    """
    end = _in_utc(until) if until else now()
    begin = _in_utc(since) if since else end - _PERIOD
    if begin >= end:
        raise InvalidInput("since lies before until.", details={"field": "since"})
    active, every = await run_in_threadpool(_policies, platform)
    kinds = {versions[-1].name: versions[-1].active.policy.kind for versions in every}
    counted = await views.counts(pool, caller, begin, end)
    rows: list[dict[str, Any]] = [
        {"policy": name, "kind": kinds.get(name, "governance"), **found} for name, found in counted.items()
    ]
    looked, failing = await decisions.production_failing(pool, caller, active, now())
    by_kind = [
        {"kind": kind, **{name: sum(row[name] for row in rows if row["kind"] == kind) for name in _COUNTED}}
        for kind in KINDS
    ]
    shown = {
        "since": rendered(begin),
        "until": rendered(end),
        "kinds": by_kind,
        "policies": rows,
        "production": {"looked": looked, "failing": failing[: decisions.MOST_LISTED]},
    }
    return success(request, orjson.dumps(shown))


def _policies(platform: Platform) -> tuple[tuple[ActivePolicy, ...], tuple[tuple[PolicyVersion, ...], ...]]:
    with platform.new_unit() as uow:
        return uow.policies.active(), uow.policies.every()


def _in_utc(moment: datetime) -> datetime:
    """Times without a zone are UTC. Raises InvalidInput for what lies outside of the calendar there."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise InvalidInput("This time lies outside of the calendar.", details={"field": "since"}) from None


@router.get(
    "/audit-report",
    dependencies=permits("policy:update", "policy:approve", "audit:read"),
    responses=answers(list[ChangeRead], 400, 403),
)
async def audit_report(
    request: Request,
    pool: PoolDep,
    page: PageDep,
    policy: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Every change of a policy: who proposed it, who decided, when, and the leaves of both in the audit log."""
    return listed(request, await views.changes(pool, page, policy=policy))
