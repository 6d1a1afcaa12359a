"""What a flow asks of the registry: begin, park for approval, settle. Each is one transaction and repeatable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from governance.canonical import difference, digest_of, rendered
from governance.deployments import TrafficPlan
from governance.evaluations import Evaluation
from governance.events import REQUEST_AWAITING, REQUEST_OPENED, REQUEST_SETTLED
from governance.evidence import Case, Evidence
from governance.findings import ROLLBACK, TO_PRODUCTION
from governance.gates import Decision, GateResult, changes_requested, decide, evaluate_all, expired
from governance.lifecycle import COMPANION_EDGES, TRANSITIONS, Transition, TransitionName, VersionState, plan
from governance.models import ModelVersion
from governance.operations.baselines import pin_promoted
from governance.operations.calls import Call
from governance.operations.findings import opened
from governance.operations.periodic_reviews import plan_review
from governance.policies.approvals import counting
from governance.ports import DeploymentTarget, UnitOfWork
from governance.requests import RequestStatus, TransitionRequest

# Where a version stops serving when it comes into a state. Staging goes on until it is left.
_LEFT_BY: dict[VersionState | None, frozenset[str]] = {
    VersionState.CHANGES_REQUESTED: frozenset({"staging"}),
    VersionState.PRODUCTION: frozenset({"staging"}),
    VersionState.DEPRECATED: frozenset({"production"}),
    VersionState.RETIRED: frozenset({"staging", "production"}),
}


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt to settle ended.

    `settled`: the request has its outcome (now, or since an earlier attempt). `changed`: facts moved under the
    evidence, gather again. `waiting`: people's decisions are missing (again), park again.
    """

    kind: Literal["settled", "changed", "waiting"]
    status: RequestStatus
    outcome: dict[str, Any]


def begin(uow: UnitOfWork, call: Call, request_id: str, flow_run_id: str) -> TransitionRequest:
    """Mark that a run is judging the request. A request with its outcome is returned as it is."""
    with uow:
        request = uow.requests.lock(request_id)
        if request.undecided:
            uow.requests.judging(request.id, flow_run_id, call.at)
            if request.transition is TransitionName.EVALUATE:
                uow.evaluations.set_running(request.id)
            uow.audit(
                call.event(
                    "request:judging",
                    "request",
                    request.id,
                    before={"status": request.status.value},
                    after={"status": "judging"},
                    flowRunId=flow_run_id,
                    attempt=request.attempt,
                )
            )
            uow.commit()
    return request


def case_of(uow: UnitOfWork, call: Call, request: TransitionRequest, evidence: Evidence) -> Case:
    """The case as it stands in this transaction: decisions with their people's present roles, and the time."""
    bound_to = TRANSITIONS[request.transition].bound_to
    approved = uow.requests.latest_applied(request.version_id, bound_to) if bound_to else None
    approvals = uow.approvals.of_request(request.id) if TRANSITIONS[request.transition].needs_approval else ()
    decided = uow.approvals.of_request(approved.id) if approved else ()
    carried = tuple(one for one in decided if approved and one.evidence_digest == approved.evidence_digest)
    return Case(
        transition=request.transition,
        evidence=evidence,
        requester_id=request.requester_id,
        reason=request.reason,
        approvals=approvals,
        involved=uow.facts.involved(request) if approvals else (),
        group_lines=uow.facts.group_lines(sorted({group for one in (*approvals, *carried) for group in one.groups})),
        as_of=call.at,
        approved_subject=approved.evidence["subject"] if approved and approved.evidence else None,
        current_approved_subject=uow.facts.subject(approved, bound_to) if approved and bound_to else None,
        waived=uow.overrides.waived(request.id, evidence.digest, call.at),
        approved_decisions=carried,
        around=uow.facts.circumstances(request, evidence.subject, call.at),
    )


def park(
    uow: UnitOfWork, call: Call, request_id: str, evidence: Evidence
) -> tuple[Decision, tuple[GateResult, ...], RequestStatus]:
    """Freeze the evidence and wait for people, unless they have decided in the meantime.

    Judged again under the request's lock, which decisions take too: a decision is either seen here, or finds the
    request parked and wakes it.
    """
    with uow:
        request = uow.requests.lock(request_id)
        case = case_of(uow, call, request, evidence)
        results = evaluate_all(uow.policies.active(), case)
        decision = decide(results, case.waived)
        if decision.outcome == "waiting" and request.undecided:
            uow.requests.awaiting(request.id, evidence, [r.to_json() for r in results], call.at)
            superseded = request.evidence_digest not in (None, evidence.digest)
            changes = difference(request.evidence, evidence.to_json()) if superseded else []
            if request.status is not RequestStatus.AWAITING_APPROVAL or request.evidence_digest != evidence.digest:
                uow.audit(
                    call.event(
                        "request:evidence:superseded" if superseded else "request:evidence:frozen",
                        "request",
                        request.id,
                        before={"digest": request.evidence_digest} if superseded else None,
                        after={"status": "awaiting_approval", "digest": evidence.digest},
                        digest=evidence.digest,
                        difference=changes or None,
                    )
                )
                told = {"digest": evidence.digest, "reasons": list(decision.reasons)}
                call.tell(uow, REQUEST_AWAITING, ("request", request.id), request.model_id, **told)
            uow.commit()
    return decision, results, request.status


def settle(
    uow: UnitOfWork,
    call: Call,
    target: DeploymentTarget,
    request_id: str,
    evidence: Evidence,
    evaluations: Sequence[Evaluation] = (),
) -> Settlement:
    """Check everything again under locks, then move the version, or record the refusal: one commit.

    `evaluations` are the results that an `evaluate` stores. Repeating a settlement returns the stored outcome.
    """
    with uow:
        request = uow.requests.lock(request_id)
        if not request.undecided:
            return Settlement("settled", request.status, dict(request.outcome or {}))
        transition = TRANSITIONS[request.transition]
        version, companion = _lock_versions(uow, request, transition)
        current = uow.facts.subject(request, request.transition)
        if digest_of(current) != evidence.subject_digest:
            changes = difference(dict(evidence.subject), current)
            return Settlement("changed", request.status, {"difference": changes})
        uow.freezes.hold()
        case = case_of(uow, call, request, evidence)
        results = evaluate_all(uow.policies.active(), case)
        elsewhere = _elsewhere(version, transition)
        decision = elsewhere or decide(results, case.waived)
        if decision.outcome == "waiting":
            return Settlement("waiting", request.status, {"reasons": list(decision.reasons)})
        status: RequestStatus
        outcome: dict[str, Any]
        follow_up: TransitionRequest | None = None
        if decision.outcome == "denied":
            status, outcome = RequestStatus.DENIED, {"name": "Denied", "reasons": list(decision.reasons)}
            if elsewhere is None and expired(results):
                outcome["name"] = "Expired"
            if elsewhere is None and changes_requested(results):
                follow_up = _sending_back(call, request, case)
                outcome |= {"name": "ChangesRequested", "followUp": follow_up.id}
            for queued in uow.evaluations.of_request(request.id):
                uow.evaluations.fail(queued.id, "; ".join(decision.reasons), call.at)
        else:
            status = RequestStatus.APPLIED
            outcome = _apply(uow, call, target, request, transition, version, companion, evidence)
            for evaluation in evaluations:
                uow.evaluations.store(evaluation, call.at)
            if evaluations:
                outcome["evaluations"] = [_evaluation_json(evaluation) for evaluation in evaluations]
        verdicts = [result.to_json() for result in results]
        judged = case.to_json()
        uow.requests.settle(request.id, status, outcome, evidence, verdicts, call.at, judged)
        uow.audit(
            call.event(
                f"request:{status.value}",
                "request",
                request.id,
                before={"status": request.status.value},
                after={"status": status.value, "outcome": outcome},
                digest=evidence.digest,
                judgedCase=digest_of(judged),
                transition=transition.name.value,
                requestedBy=request.requester_id,
                verdicts=[{k: v[k] for k in ("policy", "policyVersion", "outcome", "reasons")} for v in verdicts],
            )
        )
        ended = {"status": status.value, "outcome": outcome["name"], "transition": transition.name.value}
        call.tell(uow, REQUEST_SETTLED, ("request", request.id), request.model_id, **ended, versionId=version.id)
        if follow_up is not None:
            uow.requests.add(follow_up)
            asked = {"transition": follow_up.transition.value, "versionId": version.id, "followsUp": request.id}
            call.tell(uow, REQUEST_OPENED, ("request", follow_up.id), request.model_id, **asked)
            uow.audit(
                call.event(
                    "request:opened",
                    "request",
                    follow_up.id,
                    after={"transition": follow_up.transition.value, "versionId": version.id, "status": "open"},
                    reason=follow_up.reason,
                    requestedBy=follow_up.requester_id,
                    followsUp=request.id,
                )
            )
        uow.commit()
    return Settlement("settled", status, outcome)


def _sending_back(call: Call, request: TransitionRequest, case: Case) -> TransitionRequest:
    """The request by which whoever asks for changes sends the version back, judged like any other."""
    asks = next(approval for approval in counting(case) if approval.decision == "request_changes")
    return TransitionRequest.opened(
        call.new_id(),
        model_id=request.model_id,
        version_id=request.version_id,
        transition=TransitionName.REQUEST_CHANGES,
        requester_id=asks.approver_id,  # a delegate asks for themselves
        reason=asks.comment,
        at=call.at,
    )


def _lock_versions(
    uow: UnitOfWork, request: TransitionRequest, transition: Transition
) -> tuple[ModelVersion, ModelVersion | None]:
    """The version and the other one that moves along, locked.

    The model comes first: what serves where, in production and in staging, changes one move at a time.
    """
    companion: ModelVersion | None = None
    if transition.target is not None:
        uow.models.lock(request.model_id)
    if transition.name is TransitionName.ROLLBACK:
        companion = uow.versions.to_restore(request.model_id)
    elif transition.name in COMPANION_EDGES:
        companion = uow.versions.in_production(request.model_id)
    ids = [request.version_id, *([companion.id] if companion else [])]
    locked = uow.versions.lock(*ids)
    return locked[request.version_id], locked[companion.id] if companion else None


def _elsewhere(version: ModelVersion, transition: Transition) -> Decision | None:
    """A denial when another request took the version along meanwhile: this one could never be applied."""
    if version.state in transition.sources:
        return None
    return Decision("denied", (f"By now the version is {version.state.value}: no {transition.name.value} from there.",))


def _apply(
    uow: UnitOfWork,
    call: Call,
    target: DeploymentTarget,
    request: TransitionRequest,
    transition: Transition,
    version: ModelVersion,
    companion: ModelVersion | None,
    evidence: Evidence,
) -> dict[str, Any]:
    plan(version.state, transition.name)
    outcome: dict[str, Any] = {"name": transition.outcome, "from": version.state.value}
    if transition.target is None:
        return {**outcome, "to": version.state.value}
    moves = [(version, transition.target)]
    if companion is not None:
        moves.append((companion, COMPANION_EDGES[transition.name][1]))
        outcome["alongside"] = {"versionId": companion.id, "version": companion.version, "to": moves[1][1].value}
    # Out of production before in: the database allows one version in production at any moment.
    for moved, state in sorted(moves, key=lambda move: move[1] is VersionState.PRODUCTION):
        _move(uow, call, moved, state, request, evidence)
    _route(uow, call, target, request, transition, version, companion, evidence)
    if transition.name is TransitionName.PROMOTE_PRODUCTION:
        pin_promoted(uow, call, version, request.id)
    if transition.name is TransitionName.ROLLBACK and companion is not None:
        pin_promoted(uow, call, companion, request.id)
    if transition.name is TransitionName.ROLLBACK:
        outcome["findingId"] = opened(
            uow,
            call,
            version,
            kind=ROLLBACK,
            severity="high",
            title=f"Version {version.version} was rolled back: {request.reason}",
            request_id=request.id,
            owner_id=version.created_by,
            opened_by=request.requester_id,
            blocks=TO_PRODUCTION,
        )
    if transition.name is TransitionName.APPROVE_PRODUCTION:
        outcome["reviewDue"] = rendered(plan_review(uow, call, version, request.id, evidence))
    return {**outcome, "to": transition.target.value}


def _move(
    uow: UnitOfWork,
    call: Call,
    version: ModelVersion,
    state: VersionState,
    request: TransitionRequest,
    evidence: Evidence,
) -> None:
    moved = uow.versions.move(version, state, request.id, call.at)
    uow.audit(
        call.event(
            "version:state:changed",
            "version",
            version.id,
            before={"state": version.state.value, "revision": version.revision},
            after={"state": state.value, "revision": moved.revision},
            digest=evidence.digest,
            transition=request.transition.value,
            requestId=request.id,
        )
    )


def _route(
    uow: UnitOfWork,
    call: Call,
    target: DeploymentTarget,
    request: TransitionRequest,
    transition: Transition,
    version: ModelVersion,
    companion: ModelVersion | None,
    evidence: Evidence,
) -> None:
    """Give traffic to what now serves, and take it from what no longer does; every change is audited."""
    model = evidence.subject["model"]
    plans: list[TrafficPlan] = []

    def planned(environment: str, traffic: dict[str, int]) -> None:
        endpoint = target.endpoint(model["group"], model["name"], environment)
        plans.append(TrafficPlan(request.model_id, environment, endpoint, traffic))

    if transition.environment is not None:
        serves = companion if transition.name is TransitionName.ROLLBACK else version
        planned(transition.environment, {serves.id: 100} if serves else {})
    left = _LEFT_BY.get(transition.target, frozenset())
    for item in uow.deployments.serving(version.id) if left else ():
        if item["environment"] in left and item["environment"] != transition.environment:
            planned(item["environment"], {})
    for traffic_plan in plans:
        before = target.route(uow, traffic_plan, request.id, call.at)
        if before != traffic_plan.traffic:
            uow.audit(
                call.event(
                    "traffic:changed",
                    "model",
                    request.model_id,
                    before={"environment": traffic_plan.environment, "traffic": before},
                    after=traffic_plan.to_json(),
                    digest=evidence.digest,
                    requestId=request.id,
                )
            )


def _evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "evaluationId": evaluation.id,
        "status": evaluation.status.value,
        "passed": evaluation.passed,
        "reason": evaluation.reason,
    }
