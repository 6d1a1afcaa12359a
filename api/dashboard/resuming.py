""" "Resume" on the page of a suspended run: the decision of the person who is signed in.

1. What was filled in is checked here; Prefect would check it only after our record was made.
2. `governance.operations.transitions.decide` records it, with exactly the checks of the API.
3. The run is woken, as after a decision over the API. What was filled in does not reach Prefect.
4. The page is told what Prefect would have said. A refusal keeps the form open and shows its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.requesting import gather_again, wake_until_heard
from governance.errors import ApprovalInvalidated, DependencyUnavailable, InvalidInput, NotFound
from governance.operations import transitions
from governance.operations.calls import Call
from governance.requests import TransitionRequest
from storage.composition import Platform

_FIELDS = ("decision", "comment", "evidence")


@dataclass(frozen=True, slots=True)
class Said:
    """evidence: the digest that the form showed; empty where the caller names none."""

    decision: str
    comment: str
    evidence: str


def understood(body: bytes) -> Said:
    """What `{"run_input": {...}}` says. Raises InvalidInput with a sentence for the person at the form."""
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise InvalidInput("The form did not arrive as JSON.") from None
    given: Any = value.get("run_input") if isinstance(value, dict) and set(value) <= {"run_input"} else None
    if not isinstance(given, dict):
        raise InvalidInput("A run is resumed by a decision: fill in the form.")
    if unknown := sorted(set(map(str, given)) - set(_FIELDS)):
        raise InvalidInput(f"The form has no field {unknown[0][:50]!r}.")
    said = Said(*(_text(given, name) for name in _FIELDS))
    if not said.decision:
        raise InvalidInput("Choose a decision: approve, reject or request_changes.")
    return said


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""  # a field that was left empty
    if not isinstance(value, str):
        raise InvalidInput(f"The field {name!r} holds text.")
    return value


def decide(platform: Platform, call: Call, flow_run_id: str, said: Said) -> TransitionRequest:
    """Record the decision about the request that this run works on.

    Raises NotFound for a run that belongs to no request, and whatever `transitions.decide` raises.
    """
    with platform.new_unit() as uow:
        request = uow.requests.of_flow_run(flow_run_id)
    if request is None:
        raise NotFound("transition request of the flow run", flow_run_id)
    try:
        decided = transitions.decide(
            platform.new_unit(),
            call,
            request.id,
            decision=said.decision,
            comment=said.comment,
            evidence_digest=said.evidence or request.evidence_digest or "",
        )
    except ApprovalInvalidated as refusal:
        if refusal.details.get("difference"):
            gather_again(platform, call, request.id)
        raise
    return decided


def wake(platform: Platform, call: Call, request: TransitionRequest) -> bool:
    """Wake the run of a request that was decided about. False: not now; the reconciler does it."""
    wake_until_heard(platform, call, request, seconds=2.0)
    run = request.flow_run_id
    try:
        if run is not None and platform.launcher.state(run) == "PAUSED":
            # More people are needed, so the API lets the run sleep. Here somebody looks at its page: let it go once
            # around and show who has decided, which is also what the page says now ("Flow run resumed").
            platform.launcher.wake(run)
    except DependencyUnavailable:
        return False
    return True
