"""Overriding a soft gate: one person proposes with a reason, another one confirms. Both are free to decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from governance.access.principal import Principal
from governance.errors import Conflict, InvalidInput, RequestClosed, SelfApproval
from governance.evidence import Evidence
from governance.findings import OVERRIDE
from governance.gates import evaluate_all
from governance.models import checked_text
from governance.operations.calls import Call
from governance.operations.findings import opened
from governance.operations.settling import case_of
from governance.operations.transitions import check_duties, check_unchanged, seen
from governance.overrides import LONGEST, SHORTEST_REASON, Override, check_overridable
from governance.ports import UnitOfWork
from governance.requests import TransitionRequest


@dataclass(frozen=True, slots=True)
class NewOverride:
    """days: how long it holds once proposed."""

    policy: str
    policy_version: int
    evidence_digest: str
    reason: str
    days: int = LONGEST.days


def propose(uow: UnitOfWork, call: Call, request_id: str, new: NewOverride) -> str:
    """The id of a proposal, which does nothing before somebody else confirms it.

    Raises HardGate for a gate that nobody overrides, Conflict for one that does not block, Forbidden, SelfApproval,
    ConflictOfInterest, RequestClosed, ApprovalInvalidated, NotFound, InvalidInput.
    """
    reason = checked_text("reason", new.reason, limit=2_000).strip()
    if len(reason) < SHORTEST_REASON:
        raise InvalidInput(
            f"An override needs a reason of at least {SHORTEST_REASON} characters.", details={"field": "reason"}
        )
    if not 1 <= new.days <= LONGEST.days:
        raise InvalidInput(f"An override holds for 1 to {LONGEST.days} days.", details={"field": "days"})
    with uow:
        request = seen(uow, call, request_id)
        if known := call.repeated(uow):
            return known
        person = _may_override(uow, call, request, new.evidence_digest)
        _check_gate(uow, call, request, new.policy, new.policy_version)
        made = Override(
            id=call.new_id(),
            request_id=request.id,
            policy=new.policy,
            policy_version=new.policy_version,
            evidence_digest=new.evidence_digest,
            reason=reason,
            proposed_by=person.id,
            proposed_at=call.at,
            expires_at=call.at + timedelta(days=new.days),
        )
        uow.overrides.add(made)
        call.remember(uow, made.id)
        uow.audit(
            call.event(
                "override:proposed",
                "request",
                request.id,
                after=made.to_json(),
                digest=made.evidence_digest,
                overrideId=made.id,
            )
        )
        uow.commit()
    return made.id


def confirm(uow: UnitOfWork, call: Call, request_id: str, override_id: str) -> TransitionRequest:
    """Put a proposal of somebody else in force, with a finding that says so. Raises what `propose` raises."""
    with uow:
        request = seen(uow, call, request_id)
        if call.repeated(uow):
            return request
        proposed, signed = uow.overrides.get(request.id, override_id)
        person = _may_override(uow, call, request, proposed.evidence_digest)
        if proposed.proposed_by in (person.id, person.answers_as):
            raise SelfApproval("An override takes two people: somebody else confirms it.")
        if not signed:
            raise Conflict("This proposal is not signed by this platform; propose it again.")
        if proposed.confirmed_by is not None:
            raise Conflict("This override is confirmed already.")
        if proposed.expires_at <= call.at:
            raise Conflict("This proposal has expired; propose it again.")
        title = _check_gate(uow, call, request, proposed.policy, proposed.policy_version)
        finding = opened(
            uow,
            call,
            uow.versions.by_id(request.version_id),
            kind=OVERRIDE,
            severity="medium",
            title=f"“{title}” ({proposed.policy} v{proposed.policy_version}) was overridden: {proposed.reason}",
            request_id=request.id,
            owner_id=proposed.proposed_by,
            opened_by=person.id,
            due_at=proposed.expires_at,
        )
        made = replace(proposed, confirmed_by=person.id, confirmed_at=call.at, finding_id=finding)
        uow.overrides.confirm(made)
        call.remember(uow, made.id)
        uow.audit(
            call.event(
                "override:confirmed",
                "request",
                request.id,
                after=made.to_json(),
                digest=made.evidence_digest,
                overrideId=made.id,
            )
        )
        uow.commit()
    return request


def _may_override(uow: UnitOfWork, call: Call, request: TransitionRequest, evidence_digest: str) -> Principal:
    """The caller, if they may decide about the request, and it still is about that evidence."""
    person = call.may("approval:decide", "Overriding a gate", uow.access.of_model(request.model_id))
    if not request.undecided:
        raise RequestClosed(
            f"This request is {request.status.value} already.", details={"status": request.status.value}
        )
    check_duties(uow, call, request, person)
    check_unchanged(uow, request, evidence_digest)
    return person


def _check_gate(uow: UnitOfWork, call: Call, request: TransitionRequest, policy: str, version: int) -> str:
    """The title of the gate, which is judged anew: it must be soft, and block at this moment."""
    if request.evidence is None:
        raise Conflict("The evidence is still being gathered; there is nothing to override yet.")
    case = case_of(uow, call, request, Evidence.from_json(request.evidence))
    if (policy, version) in case.waived:
        raise Conflict("This gate is overridden already.")
    return check_overridable(evaluate_all(uow.policies.active(), case), policy, version).title
