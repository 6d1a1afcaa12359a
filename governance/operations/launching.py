"""From a recorded request to a running flow, and back to one when a run was lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from governance.errors import DependencyUnavailable, RequestClosed
from governance.evidence import Evidence
from governance.gates import decide, evaluate_all
from governance.operations.calls import Call
from governance.operations.settling import case_of
from governance.ports import Launcher, UnitOfWork
from governance.requests import RequestStatus, TransitionRequest

NewUnit = Callable[[], UnitOfWork]

# Prefect's state types in which nobody works on the run any more, though the request has no outcome.
LOST = frozenset({"CRASHED", "FAILED", "COMPLETED"})

# State types that say somebody works on the run; only a lease proves it, since a lost machine reports nothing.
UNATTENDED = frozenset({"RUNNING", "PENDING", "CANCELLING"})


def launch(new_unit: NewUnit, launcher: Launcher, call: Call, request: TransitionRequest) -> str:
    """Start the flow of the request's present attempt; the id of its run.

    Safe to repeat: one attempt has one run. Raises DependencyUnavailable; the request is kept and launched later.
    """
    with new_unit() as uow:
        model = uow.models.get(request.model_id)
        version = uow.versions.by_id(request.version_id)
    title = f"{request.transition.value.replace('_', ' ')}: {model.name} {version.version}"
    flow_run_id = launcher.launch(request.id, request.transition, request.attempt, title)
    with new_unit() as uow:
        uow.requests.launched(request.id, flow_run_id, request.attempt, call.at)
        uow.commit()
    return flow_run_id


def relaunch(new_unit: NewUnit, launcher: Launcher, call: Call, request_id: str, why: str) -> str:
    """Start a new attempt. Raises RequestClosed, DependencyUnavailable."""
    with new_unit() as uow:
        request = uow.requests.lock(request_id)
        if not request.undecided:
            raise RequestClosed(
                f"This request is {request.status.value} already.", details={"status": request.status.value}
            )
        uow.requests.next_attempt(request_id, call.at)
        uow.audit(
            call.event(
                "request:relaunched",
                "request",
                request_id,
                before={"attempt": request.attempt, "flowRunId": request.flow_run_id},
                after={"attempt": request.attempt + 1},
                why=why,
            )
        )
        uow.commit()
        request = uow.requests.get(request_id)
    return launch(new_unit, launcher, call, request)


def wake(
    new_unit: NewUnit, launcher: Launcher, call: Call, request: TransitionRequest
) -> Literal["waiting", "woken", "busy", "relaunched"]:
    """Make the flow look again after a decision or a withdrawal.

    `waiting`: it would find nothing new, more decisions are missing. `busy`: the run is at work and may or may not
    have seen the news; ask again shortly.
    """
    if request.undecided and not _decided(new_unit, call, request):
        return "waiting"
    if request.flow_run_id is not None:
        if launcher.wake(request.flow_run_id):
            return "woken"
        state = launcher.state(request.flow_run_id)
        if state is not None and state not in LOST | {"CANCELLED"}:
            return "busy"
    if request.status is RequestStatus.WITHDRAWN:
        return "woken"  # nothing is left that would have to be told
    relaunch(new_unit, launcher, call, request.id, "its run was gone when people had decided")
    return "relaunched"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass did: request ids by kind."""

    launched: tuple[str, ...]
    relaunched: tuple[str, ...]
    woken: tuple[str, ...]
    unreachable: tuple[str, ...]


def reconcile(
    new_unit: NewUnit, launcher: Launcher, call: Call, *, orphan_after: timedelta, limit: int = 200
) -> Reconciled:
    """Find undecided requests that nobody works on, and start or wake them. `limit`: requests read at a time.

    A run that a person cancelled stays cancelled: the request waits for `retry`, a decision or `withdraw`.
    """
    done: dict[str, list[str]] = {"launched": [], "relaunched": [], "woken": [], "unreachable": []}
    last: TransitionRequest | None = None
    while True:
        with new_unit() as uow:  # all of them: many may wait for people, before the one that needs help
            found = uow.requests.undecided(idle_since=call.at - orphan_after, limit=limit, after=last)
        for request in found:
            kind: Literal["launched", "relaunched", "woken", "unreachable"] | None
            try:
                kind = _reconcile_one(new_unit, launcher, call, request, orphan_after)
            except DependencyUnavailable:
                kind = "unreachable"
            except RequestClosed:
                kind = None  # settled while we looked
            if kind:
                done[kind].append(request.id)
        if len(found) < limit:
            break
        last = found[-1]
    return Reconciled(**{kind: tuple(ids) for kind, ids in done.items()})


def _reconcile_one(
    new_unit: NewUnit, launcher: Launcher, call: Call, request: TransitionRequest, orphan_after: timedelta
) -> Literal["launched", "relaunched", "woken"] | None:
    if request.flow_run_id is None:
        launch(new_unit, launcher, call, request)
        return "launched"
    state = launcher.state(request.flow_run_id)
    if state is None or state in LOST:
        if call.at - request.updated_at < orphan_after * 2 ** min(request.attempt - 1, 6):
            return None  # it failed before: give what is broken a little longer each time
        relaunch(new_unit, launcher, call, request.id, f"its run was {(state or 'forgotten').lower()}")
        return "relaunched"
    if state in UNATTENDED and not _worked_on(new_unit, request.id):
        relaunch(new_unit, launcher, call, request.id, f"it was {state.lower()} and its process was gone")
        return "relaunched"
    if state == "PAUSED" and _decided(new_unit, call, request) and launcher.wake(request.flow_run_id):
        return "woken"
    return None


def _worked_on(new_unit: NewUnit, request_id: str) -> bool:
    with new_unit() as uow:
        return uow.requests.worked_on(request_id)


def _decided(new_unit: NewUnit, call: Call, request: TransitionRequest) -> bool:
    """Would the parked request go on if it looked now? True as well when its evidence is out of date."""
    if request.evidence is None:
        return True
    evidence = Evidence.from_json(request.evidence)
    with new_unit() as uow:
        if uow.facts.subject(request, request.transition) != evidence.subject:
            return True
        case = case_of(uow, call, request, evidence)
        results = evaluate_all(uow.policies.active(), case)
    return decide(results, case.waived).outcome != "waiting"
