"""Opening a request, deciding about it, withdrawing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from governance.access.decisions import decide as decide_access
from governance.access.principal import PERSON, Principal
from governance.access.rules import AccessRule
from governance.canonical import difference, digest_of
from governance.duties import REQUESTER, conflicts, in_words
from governance.errors import (
    ApprovalInvalidated,
    BreakGlassRefused,
    Conflict,
    ConflictOfInterest,
    Forbidden,
    InvalidInput,
    NotFound,
    RequestClosed,
    SelfApproval,
)
from governance.evaluations import Evaluation, EvaluationStatus
from governance.events import REQUEST_DECIDED, REQUEST_OPENED, REQUEST_SETTLED
from governance.evidence import Approval
from governance.findings import BREAK_GLASS
from governance.lifecycle import TRANSITIONS, Transition, TransitionName, plan, transition_named
from governance.models import ModelVersion, checked_text, is_id
from governance.operations.calls import READING, Call
from governance.operations.findings import opened
from governance.ports import UnitOfWork
from governance.requests import RequestStatus, TransitionRequest

_RECORDED_AS = {
    "approve": "request:approved",
    "reject": "request:rejected",
    "request_changes": "request:changes:requested",
}


# What takes a version out of production at once. Nothing is ever promoted like that.
BREAK_GLASS_TRANSITIONS = frozenset({TransitionName.ROLLBACK, TransitionName.DEPRECATE})
BREAK_GLASS_REASON = 20  # characters
BREAK_GLASS_DAYS = 3  # until somebody else has looked at it


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """`suite_ids`: the suites that an `evaluate` runs; empty means all suites of the model.

    `break_glass`: pass over freezes and waits, and nothing else.
    """

    model_id: str
    version: str
    transition: str
    reason: str = ""
    suite_ids: tuple[str, ...] = ()
    break_glass: bool = False


def open_request(uow: UnitOfWork, call: Call, command: OpenRequest) -> TransitionRequest:
    """Record that somebody asks for a transition. Its flow judges it afterwards.

    Raises InvalidInput, Forbidden, NotFound, IllegalTransition, RequestOpen, ApprovalInvalidated, BreakGlassRefused.
    """
    transition = transition_named(command.transition)
    doing = f"Asking for {transition.name.value}"
    person = call.may(transition.permission, doing)
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_model(command.model_id)
        call.may_with("model", command.model_id, rule, transition.permission, doing)
        if known:
            return uow.requests.get(known)
        version = uow.versions.get(command.model_id, command.version)
        _check_break_glass(command, transition)
        plan(version.state, transition.name)
        request = TransitionRequest.opened(
            call.new_id(),
            model_id=version.model_id,
            version_id=version.id,
            transition=transition.name,
            requester_id=person.id,
            reason=checked_text("reason", command.reason, limit=2_000),
            at=call.at,
            break_glass=command.break_glass,
        )
        if request.break_glass:
            _make_way(uow, call, request)
        uow.requests.add(request)  # before the version's lock: see the order of locks
        version = uow.versions.lock(version.id)[version.id]
        plan(version.state, transition.name)
        _check_still_approved(uow, request, transition)
        if transition.name is TransitionName.EVALUATE:
            _queue_evaluations(uow, call, request, version, command.suite_ids)
        call.remember(uow, request.id)
        uow.audit(
            call.event(
                "request:opened",
                "request",
                request.id,
                after={"transition": transition.name.value, "versionId": version.id, "status": "open"},
                reason=request.reason or None,
            )
        )
        named = {"transition": transition.name.value, "versionId": version.id, "requesterId": person.id}
        call.tell(uow, REQUEST_OPENED, ("request", request.id), request.model_id, **named)
        if request.break_glass:
            _break_glass(uow, call, request, version)
        uow.commit()
    return request


def _check_break_glass(command: OpenRequest, transition: Transition) -> None:
    if not command.break_glass:
        return
    if transition.name not in BREAK_GLASS_TRANSITIONS:
        known = sorted(name.value for name in BREAK_GLASS_TRANSITIONS)
        raise BreakGlassRefused(
            f"Break-glass takes a version out of production ({' or '.join(known)}); {transition.name.value} waits.",
            details={"transition": transition.name.value, "possible": known},
        )
    if len(" ".join(command.reason.split())) < BREAK_GLASS_REASON:
        raise InvalidInput(
            f"Break-glass needs a reason of at least {BREAK_GLASS_REASON} characters.", details={"field": "reason"}
        )


def _make_way(uow: UnitOfWork, call: Call, request: TransitionRequest) -> None:
    """What takes the version out of production already, but waits for a freeze or a timer, is taken back for it."""
    waiting = uow.requests.moving(request.version_id)
    if waiting is None:
        return
    outcome = {"name": "Withdrawn", "reasons": ["A break-glass request took its place."]}
    uow.requests.settle(waiting.id, RequestStatus.WITHDRAWN, outcome, None, None, call.at)
    uow.notices.record(waiting.id, "superseded", {"by": request.id}, call.at)
    uow.audit(
        call.event(
            "request:withdrawn",
            "request",
            waiting.id,
            before={"status": waiting.status.value},
            after={"status": "withdrawn", **outcome},
            supersededBy=request.id,
        )
    )
    ended = {"status": "withdrawn", "outcome": "Withdrawn", "transition": waiting.transition.value}
    call.tell(uow, REQUEST_SETTLED, ("request", waiting.id), waiting.model_id, **ended)


def _break_glass(uow: UnitOfWork, call: Call, request: TransitionRequest, version: ModelVersion) -> None:
    """It is used in the open: its own entry, and a finding that somebody else has to close."""
    uow.audit(call.event("request:break-glass", "request", request.id, after={"reason": request.reason}))
    opened(
        uow,
        call,
        version,
        kind=BREAK_GLASS,
        severity="high",
        title=f"Break-glass used for {request.transition.value} of version {version.version}: {request.reason}",
        request_id=request.id,
        owner_id=request.requester_id,
        opened_by=request.requester_id,
        due_at=call.at + timedelta(days=BREAK_GLASS_DAYS),
    )


def _check_still_approved(uow: UnitOfWork, request: TransitionRequest, transition: Transition) -> None:
    """A deployment of something else than what was approved is refused at the door, with the difference."""
    if transition.bound_to is None:
        return
    approval = uow.requests.latest_applied(request.version_id, transition.bound_to)
    if approval is None or approval.evidence is None:
        raise ApprovalInvalidated("There is no approval to carry out.", details={"difference": []})
    changes = difference(approval.evidence["subject"], uow.facts.subject(approval, transition.bound_to))
    if changes:
        raise ApprovalInvalidated(
            "What was approved is not what is there now; it has to be approved again.",
            details={"difference": changes, "approvedDigest": approval.evidence_digest},
        )


def _queue_evaluations(
    uow: UnitOfWork, call: Call, request: TransitionRequest, version: ModelVersion, suite_ids: tuple[str, ...]
) -> None:
    suites = {suite.id: suite for suite in uow.evaluations.suites_of_model(version.model_id)}
    missing = [suite_id for suite_id in suite_ids if suite_id not in suites]
    if missing or not suites:
        raise InvalidInput(
            "The model has no such evaluation suite." if missing else "The model has no evaluation suite yet.",
            details={"missing": missing},
        )
    for suite_id in dict.fromkeys(suite_ids or suites):
        uow.evaluations.queue(
            Evaluation(
                id=call.new_id(),
                version_id=version.id,
                suite_id=suite_id,
                request_id=request.id,
                status=EvaluationStatus.QUEUED,
                reason=None,
                weights_sha256=None,
                outcomes_sha256=None,
                results=None,
                passed=None,
            ),
            suites[suite_id].thresholds,
            call.at,
        )


def decide(
    uow: UnitOfWork,
    call: Call,
    request_id: str,
    *,
    decision: str,
    comment: str,
    evidence_digest: str,
    on_behalf_of: str | None = None,
) -> TransitionRequest:
    """Record one person's decision about exactly the evidence with `evidence_digest`.

    decision: "approve", "reject", or "request_changes", which refuses too, saying what has to be done; both refusals
    need a comment. on_behalf_of: the id of the person who delegated it to the caller.

    Raises RequestClosed, Forbidden, SelfApproval, Conflict (nothing to decide yet), ApprovalInvalidated (the evidence
    is not what the digest names any more; `details.difference` says what changed), NotFound, InvalidInput.
    """
    if decision not in _RECORDED_AS:
        raise InvalidInput("decision is 'approve', 'reject' or 'request_changes'.", details={"field": "decision"})
    comment = checked_text("comment", comment, limit=2_000).strip()
    if decision != "approve" and not comment:
        what = "A rejection" if decision == "reject" else "A request for changes"
        raise InvalidInput(f"{what} needs a comment that says why.", details={"field": "comment"})
    with uow:
        request = seen(uow, call, request_id)
        if call.repeated(uow):
            return request
        rule = uow.access.of_model(request.model_id)
        person = call.person
        acting = may_decide(uow, call, request, rule, on_behalf_of)
        if not request.undecided:
            raise RequestClosed(
                f"This request is {request.status.value} already.", details={"status": request.status.value}
            )
        if not TRANSITIONS[request.transition].needs_approval:
            raise Conflict(f"{request.transition.value} is judged by its gates alone; nobody approves it.")
        check_duties(uow, call, request, acting)
        check_unchanged(uow, request, evidence_digest)
        check_one_voice(uow, call, request, acting)
        approval = Approval(
            id=call.new_id(),
            request_id=request.id,
            approver_id=person.id,
            approver_name=person.name,
            decision=decision,
            comment=comment,
            evidence_digest=evidence_digest,
            at=call.at,
            roles=tuple(sorted(acting.roles)),
            groups=acting.groups,
            on_behalf_of=acting.id if acting.id != person.id else None,
            on_behalf_of_name=acting.name if acting.id != person.id else None,
        )
        uow.approvals.record(approval, request.requester_id)
        call.remember(uow, approval.id)
        uow.audit(
            call.event(
                _RECORDED_AS[decision],
                "request",
                request.id,
                after={"decision": decision, "comment": comment, "groups": list(acting.groups)},
                digest=evidence_digest,
                onBehalfOf=approval.on_behalf_of,
            )
        )
        said = {"decision": decision, "approverId": person.id, "digest": evidence_digest}
        call.tell(uow, REQUEST_DECIDED, ("request", request.id), request.model_id, **said)
        uow.commit()
    return request


def seen(uow: UnitOfWork, call: Call, request_id: str) -> TransitionRequest:
    """The request, locked, if the caller may see it at all. Raises NotFound."""
    request = uow.requests.lock(request_id)
    rule = uow.access.of_model(request.model_id)
    if not any(decide_access(call.person, seeing, rule).allowed for seeing in READING["request"]):
        raise NotFound("transition request", request_id)
    return request


def may_decide(
    uow: UnitOfWork, call: Call, request: TransitionRequest, rule: AccessRule, on_behalf_of: str | None
) -> Principal:
    """With whose roles and groups the caller decides: their own, or those of the person who delegated it to them.

    Raises Forbidden, with one sentence for every way in which there is no delegation.
    """
    doing, person = "Deciding about a request", call.person
    if on_behalf_of is None:
        return call.may("approval:decide", doing, rule)
    subject = uow.facts.subject(request, request.transition)["model"]
    delegations = uow.delegations.in_force(on_behalf_of, person.id, call.at) if is_id(on_behalf_of) else ()
    if person.kind != PERSON or not any(
        one.covers(request.transition.value, subject["group"], subject["riskTier"]) for one in delegations
    ):
        raise Forbidden(
            f"Nobody of that id has delegated this decision to {person.name}, now and for this request.",
            details={"onBehalfOf": on_behalf_of[:200]},
        )
    if not uow.people.get(on_behalf_of).active:
        raise Forbidden("The person who delegated this is no longer active.", details={"onBehalfOf": on_behalf_of})
    # what the caller's token or call is narrowed to narrows this, too
    acting = replace(
        uow.people.principal(on_behalf_of),
        scopes=person.scopes,
        token_id=person.token_id,
        group_context=person.group_context,
        workspace_context=person.workspace_context,
    )
    return replace(call, principal=acting).may("approval:decide", doing, rule)


def check_duties(uow: UnitOfWork, call: Call, request: TransitionRequest, acting: Principal) -> None:
    """Of the caller, and of the person they act for. Raises SelfApproval, ConflictOfInterest."""
    involved = uow.facts.involved(request)
    for person in {call.person.id: call.person, acting.id: acting}.values():
        found = conflicts(involved, person.answers_as)
        if not found:
            continue
        reasons = [{"relation": one.relation, "fact": one.what} for one in found]
        if any(one.relation == REQUESTER for one in found):
            raise SelfApproval(
                "Nobody approves their own request.",
                details={"requesterId": request.requester_id, "reasons": reasons},
            )
        raise ConflictOfInterest(
            f"{person.name} {in_words(found)}, and nobody decides about what they took part in.",
            details={"reasons": reasons},
        )


def check_one_voice(uow: UnitOfWork, call: Call, request: TransitionRequest, acting: Principal) -> None:
    """Nobody stands behind two decisions, as a delegate or for themselves. Raises Conflict.

    One case is no conflict: whoever delegated decides after all, and the delegate's decision gives way.
    """
    person, delegated = call.person, acting.id != call.person.id
    for one in uow.approvals.of_request(request.id):
        if one.void or one.evidence_digest != request.evidence_digest:
            continue
        if one.approver_id == person.id and one.on_behalf_of != (acting.id if delegated else None):
            raise Conflict(
                f"{person.name} has decided about this already, as {one.who}; nobody decides twice.",
                details={"decidedAs": one.who},
            )
        if delegated and one.approver_id != person.id and not one.people.isdisjoint({person.id, acting.id}):
            raise Conflict(
                f"{one.who} has decided about this already; nobody decides twice.", details={"decidedAs": one.who}
            )


def check_unchanged(uow: UnitOfWork, request: TransitionRequest, evidence_digest: str) -> None:
    if request.evidence is None:
        raise Conflict("The evidence is still being gathered; there is nothing to decide about yet.")
    current = uow.facts.subject(request, request.transition)
    changes = difference(request.evidence["subject"], current)
    if changes:
        raise ApprovalInvalidated(
            "Something changed after this evidence was frozen; it is being gathered again.",
            details={"difference": changes, "frozenDigest": request.evidence_digest},
        )
    if evidence_digest != request.evidence_digest:
        raise ApprovalInvalidated(
            "This decision is about other evidence than the request holds; read it again.",
            details={"given": evidence_digest[:200], "current": request.evidence_digest, "difference": []},
        )
    if digest_of(request.evidence) != request.evidence_digest:
        raise ApprovalInvalidated("The stored evidence does not match its digest.", details={"difference": []})


def check_may_retry(uow: UnitOfWork, call: Call, request_id: str) -> None:
    """Its requester, whoever decides about it, and administrators start a request again. Raises NotFound, Forbidden."""
    with uow:
        request = seen(uow, call, request_id)
        person = call.may("self:manage", "Starting a request again")
        rule = uow.access.of_model(request.model_id)
        if person.id != request.requester_id and not decide_access(person, "approval:decide", rule).allowed:
            raise Forbidden("Only the requester, an approver or an administrator starts a request again.")


def withdraw(uow: UnitOfWork, call: Call, request_id: str, reason: str) -> TransitionRequest:
    """Take a request back. Only its requester or an administrator. Raises RequestClosed, Forbidden, NotFound."""
    with uow:
        request = seen(uow, call, request_id)
        if call.repeated(uow):
            return request
        person = call.may("self:manage", "Withdrawing a request")
        if person.id != request.requester_id:
            if not person.is_admin:
                raise Forbidden("Only the requester or an administrator withdraws a request.")
            call.may("user:update", "Withdrawing somebody else's request")  # a token of theirs may be narrower
        if not request.undecided:
            raise RequestClosed(
                f"This request is {request.status.value} already.", details={"status": request.status.value}
            )
        outcome = {
            "name": "Withdrawn",
            "reasons": [checked_text("reason", reason, limit=2_000) or f"Withdrawn by {person.name}."],
        }
        uow.requests.settle(request.id, RequestStatus.WITHDRAWN, outcome, None, None, call.at)
        for evaluation in uow.evaluations.of_request(request.id):
            uow.evaluations.fail(evaluation.id, "The request was withdrawn.", call.at)
        call.remember(uow, request.id)
        uow.audit(
            call.event(
                "request:withdrawn",
                "request",
                request.id,
                before={"status": request.status.value},
                after={"status": "withdrawn", **outcome},
            )
        )
        ended = {"status": "withdrawn", "outcome": outcome["name"], "transition": request.transition.value}
        call.tell(uow, REQUEST_SETTLED, ("request", request.id), request.model_id, **ended)
        uow.commit()
    return request
