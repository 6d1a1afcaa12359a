"""Opening a request and starting its flow: what several routes do the same way."""

from __future__ import annotations

import logging
import time

from governance.errors import DependencyUnavailable, GovernanceError
from governance.operations.calls import Call
from governance.operations.launching import launch, wake
from governance.operations.transitions import OpenRequest, open_request
from governance.requests import RequestStatus, TransitionRequest
from storage.composition import Platform

log = logging.getLogger("gatehouse.api")


def request_path(request_id: str) -> str:
    return f"/api/v1/transition-requests/{request_id}"


def dashboard_link(platform: Platform, flow_run_id: str | None) -> dict[str, str]:
    """Where people see the run, as a link; none before the run exists."""
    base = platform.settings.dashboard_url.rstrip("/")
    return {"dashboard": f"{base}/runs/flow-run/{flow_run_id}"} if base and flow_run_id else {}


def open_and_launch(platform: Platform, call: Call, command: OpenRequest) -> tuple[TransitionRequest, str]:
    """The request and the id of its run.

    Raises what `open_request` raises. When the orchestrator does not answer, DependencyUnavailable names the request,
    which is kept: the same call under the same Idempotency-Key starts it, and so does the reconciler.
    """
    request = open_request(platform.new_unit(), call, command)
    if request.status is not RequestStatus.OPEN or request.flow_run_id is not None:
        return request, request.flow_run_id or ""
    try:
        return request, launch(platform.new_unit, platform.launcher, call, request)
    except DependencyUnavailable as error:
        location = request_path(request.id)
        raise DependencyUnavailable(
            error.message, details={**error.details, "requestId": request.id, "location": location}
        ) from error


def gather_again(platform: Platform, call: Call, request_id: str) -> None:
    """After a decision about evidence that is out of date: the run looks again, and shows what is there now."""
    with platform.new_unit() as uow:
        request = uow.requests.get(request_id)
    wake_until_heard(platform, call, request, seconds=0)


def wake_until_heard(platform: Platform, call: Call, request: TransitionRequest, *, seconds: float = 5.0) -> None:
    """Wake the run after a decision; try again while it is on its way into suspension.

    Runs after the answer was sent. What fails here is found by the reconciler.
    """
    deadline = time.monotonic() + seconds
    try:
        while wake(platform.new_unit, platform.launcher, call, request) == "busy" and time.monotonic() < deadline:
            time.sleep(0.1)
            with platform.new_unit() as uow:
                request = uow.requests.get(request.id)
            if not request.undecided:
                return
    except GovernanceError as error:
        log.warning("request %s is woken later: %s", request.id, error)
