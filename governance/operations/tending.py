"""What time does to requests and reviews, however long nobody looks: people are reminded, their seniors are told, and
in the end silence refuses.

Everything happens once, also with several reconcilers at the same moment: each request is held by its row, and what
was told is remembered by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from governance import events
from governance.canonical import digest_of, rendered
from governance.errors import DependencyUnavailable
from governance.evidence import Case, Evidence
from governance.gates import GateResult, decide, evaluate_all, expired, overridable
from governance.lifecycle import TRANSITIONS
from governance.operations.calls import Call
from governance.operations.periodic_reviews import tend_review
from governance.operations.settling import case_of
from governance.policies.base import in_force
from governance.policies.decided_in_time import DecidedInTime
from governance.ports import Launcher, UnitOfWork
from governance.requests import RequestStatus, TransitionRequest

NewUnit = Callable[[], UnitOfWork]


@dataclass(frozen=True, slots=True)
class Tended:
    """What one pass did: ids of requests by kind, and of reviews. `ended`: requests whose
    runs were told of the expiry, or of the break-glass that took their place."""

    reminded: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    review_escalated: tuple[str, ...] = ()
    review_lapsed: tuple[str, ...] = ()


def tend(new_unit: NewUnit, launcher: Launcher, call: Call, *, limit: int = 200) -> Tended:
    """One pass over all that time has come for. `limit`: rows read at a time. Needs no orchestrator for its effect:
    a run that could not be told of its end is told by a later pass.
    """
    done: dict[str, list[str]] = {name: [] for name in Tended.__dataclass_fields__}
    for request_id in _pages(lambda after: _unattended(new_unit, call, limit, after), limit):
        for kind in _tend_request(new_unit(), call, request_id):
            done[kind].append(request_id)
    for review_id in _pages(lambda after: _due(new_unit, call, limit, after), limit):
        became = tend_review(new_unit(), call, review_id)
        if became is not None:
            done[became if became == "overdue" else f"review_{became}"].append(review_id)
    done["ended"] = _end_runs(new_unit, launcher, call, limit)
    return Tended(**{kind: tuple(ids) for kind, ids in done.items()})


def _pages(read: Callable[[str | None], tuple[str, ...]], limit: int) -> Iterator[str]:
    last: str | None = None
    while True:
        found = read(last)
        yield from found
        if len(found) < limit:
            return
        last = found[-1]


def _unattended(new_unit: NewUnit, call: Call, limit: int, after: str | None) -> tuple[str, ...]:
    """Those whose time may have come: by tier they differ, which is seen once they are held."""
    with new_unit() as uow:
        policy = in_force(uow.policies.active(), DecidedInTime)
        first_notice = min([*policy.remind_days.values(), *policy.escalate_days.values()])
        return uow.notices.unattended(
            notice_before=call.at - timedelta(days=first_notice),
            expiry_before=call.at - timedelta(days=min(policy.expire_days.values())),
            limit=limit,
            after=after,
        )


def _due(new_unit: NewUnit, call: Call, limit: int, after: str | None) -> tuple[str, ...]:
    with new_unit() as uow:
        return uow.reviews.to_look_at(call.at, limit, after)


def _tend_request(uow: UnitOfWork, call: Call, request_id: str) -> list[str]:
    """What happened to it: "reminded", "escalated", "expired"."""
    with uow:
        request = uow.requests.lock(request_id)
        if request.status is not RequestStatus.AWAITING_APPROVAL or request.evidence is None:
            return []
        policy = in_force(uow.policies.active(), DecidedInTime)
        tier = str(request.evidence["subject"]["model"]["riskTier"])
        if call.at >= policy.deadline(request.created_at, tier):
            happened = ["expired"] if _expire(uow, call, request) else []
        else:
            due = policy.notices(request.created_at, tier, call.at)
            if due and not TRANSITIONS[request.transition].needs_approval and not _overridable(uow, call, request):
                return []  # it waits for a time, and nobody has to do anything
            deadline = rendered(policy.deadline(request.created_at, tier))
            happened = [kind for kind in due if _tell(uow, call, request, kind, deadline)]
        if happened:
            uow.commit()
    return happened


def _tell(uow: UnitOfWork, call: Call, request: TransitionRequest, kind: str, deadline: str) -> bool:
    """Remind those who can decide; escalate to those who can and stand above the model's group, or to everybody."""
    assert request.evidence is not None  # noqa: S101  (a parked request has evidence)
    group = str(request.evidence["subject"]["model"]["group"])
    above = uow.groups.line(group)[1:] if kind == "escalated" else ()
    people = uow.notices.who_decides(request.id, above or None)
    if not people and above:
        people = uow.notices.who_decides(request.id, None)
    data = {"to": list(people), "deadline": deadline}
    if not uow.notices.record(request.id, kind, data, call.at):
        return False
    uow.audit(call.event(f"request:{kind}", "request", request.id, after=data, digest=request.evidence_digest))
    event = events.REQUEST_REMINDED if kind == "reminded" else events.REQUEST_ESCALATED
    call.tell(uow, event, ("request", request.id), request.model_id, **data)
    return True


def _overridable(uow: UnitOfWork, call: Call, request: TransitionRequest) -> bool:
    frozen = Evidence.from_json(request.evidence or {})
    case = case_of(uow, call, request, frozen)
    return _waits_for_override(request, evaluate_all(uow.policies.active(), case), case)


def _waits_for_override(request: TransitionRequest, results: Sequence[GateResult], case: Case) -> bool:
    """Nobody is asked to approve, but a soft gate blocks: without an end it would wait for ever."""
    soft = (one for one in results if overridable(one) and (one.policy, one.policy_version) not in case.waived)
    return not TRANSITIONS[request.transition].needs_approval and any(soft)


def _expire(uow: UnitOfWork, call: Call, request: TransitionRequest) -> bool:
    """Refuse it, judged by all gates of which that of time says no, whatever the others say."""
    frozen = Evidence.from_json(request.evidence or {})
    # Policies may have changed since it was frozen: what is recorded is what it is judged by now.
    evidence = Evidence(uow.facts.subject(request, request.transition), frozen.measured)
    case = case_of(uow, call, request, evidence)
    results = evaluate_all(uow.policies.active(), case)
    reasons = list(decide(results, case.waived).reasons)
    if not expired(results):
        if not _waits_for_override(request, results, case):
            return False
        reasons.append("Nobody overrode this in time; it has to be asked for again.")
    outcome = {"name": "Expired", "reasons": reasons}
    verdicts = [result.to_json() for result in results]
    judged = case.to_json()
    uow.requests.settle(request.id, RequestStatus.DENIED, outcome, evidence, verdicts, call.at, judged)
    uow.notices.record(request.id, "expired", {"reasons": reasons}, call.at)
    uow.audit(
        call.event(
            "request:expired",
            "request",
            request.id,
            before={"status": request.status.value},
            after={"status": "denied", "outcome": outcome},
            digest=evidence.digest,
            judgedCase=digest_of(judged),
            transition=request.transition.value,
            requestedBy=request.requester_id,
            verdicts=[{k: v[k] for k in ("policy", "policyVersion", "outcome", "reasons")} for v in verdicts],
        )
    )
    call.tell(uow, events.REQUEST_EXPIRED, ("request", request.id), request.model_id, reasons=reasons)
    ended = {"status": "denied", "outcome": "Expired", "transition": request.transition.value}
    call.tell(uow, events.REQUEST_SETTLED, ("request", request.id), request.model_id, **ended)
    return True


def _end_runs(new_unit: NewUnit, launcher: Launcher, call: Call, limit: int) -> list[str]:
    """Wake the runs of expired and superseded requests, so that they end; a run that is gone has ended."""
    with new_unit() as uow:
        waiting = uow.notices.not_ended(limit)
    ended = []
    for request_id in waiting:
        with new_unit() as uow:
            request = uow.requests.get(request_id)
            try:
                if request.flow_run_id is not None and not launcher.wake(request.flow_run_id):
                    state = launcher.state(request.flow_run_id)
                    if state in ("RUNNING", "PENDING", "PAUSED"):
                        continue  # on its way into suspension
            except DependencyUnavailable:
                break
            if uow.notices.record(request_id, "ended", {"flowRunId": request.flow_run_id}, call.at):
                ended.append(request_id)
            uow.commit()
    return ended
