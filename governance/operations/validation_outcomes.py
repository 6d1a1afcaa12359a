"""What follows from a validation: the run's end, a finding, those who are to be told, a canary taken back.

All of it is one transaction per model, so that no model has a verdict without its consequences or the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from governance import events
from governance.access.principal import SERVICE
from governance.drift.report import MODERATE, SEVERE
from governance.findings import DRIFT, REGRESSION, SEVERITIES, TO_PRODUCTION, VALIDATION
from governance.lifecycle import TransitionName, VersionState
from governance.models import ModelVersion
from governance.operations.calls import Call
from governance.operations.findings import opened
from governance.people import User
from governance.ports import UnitOfWork
from governance.requests import TransitionRequest
from governance.validation.runs import Ending, RunStatus, ValidationRun

# Who asks for rollbacks that nobody asked for: an account without any right, owner or way to sign in.
ACCOUNT = "gatehouse-validation"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a finding is opened for. severity: of findings. blocks: whether the version may go on to production."""

    kind: str
    severity: str
    title: str
    blocks: bool


def settle_run(
    uow: UnitOfWork, call: Call, run_id: str, ending: Ending, *, canary: timedelta, alone: bool = False
) -> str | None:
    """End a run that was measured, with all that follows; the id of a rollback request, if one was opened.

    canary: how long after its promotion a version in production counts as a canary, which a regression takes back
    without waiting for anybody (`Ending.takes_back`); zero: never. alone: without any finding, where that is what
    fails. Repeating it changes nothing.
    """
    with uow:
        run = uow.runs.lock(run_id)
        if run.settled:
            return None
        version = uow.versions.by_id(run.version_id)
        request: TransitionRequest | None = None
        if ending.takes_back and is_canary(uow, call, version, canary):
            request = _take_back(uow, call, version, ending)
        findings = []
        if troubles := [] if alone else troubles_of(version, ending):
            # After the request, as everybody does; a promotion that is settled either sees them or was before them.
            version = uow.versions.lock(version.id)[version.id]
            findings = [_found(uow, call, version, trouble) for trouble in troubles]
        told = {"findings": findings, "rollback_request": request.id if request else None}
        ending = replace(ending, judged={**ending.judged, **told})
        uow.runs.settle(run.id, ending, call.at)
        _tell(uow, call, run, version, ending)
        uow.commit()
    return request.id if request else None


def is_canary(uow: UnitOfWork, call: Call, version: ModelVersion, window: timedelta) -> bool:
    """In production on a part of the traffic, or promoted no longer than `window` ago. With no window nothing is."""
    if version.state is not VersionState.PRODUCTION or not window:
        return False
    if uow.deployments.shares(version.model_id, "production").get(version.id, 100) < 100:
        return True
    promoted = uow.requests.latest_applied(version.id, TransitionName.PROMOTE_PRODUCTION)
    return promoted is not None and call.at - promoted.updated_at <= window


def _found(uow: UnitOfWork, call: Call, version: ModelVersion, trouble: Trouble) -> str:
    """One open finding of a kind is enough; it grows with the trouble, in severity and in what it blocks."""
    known = uow.runs.open_finding(version.id, trouble.kind)
    if known is None:
        return opened(
            uow,
            call,
            version,
            kind=trouble.kind,
            severity=trouble.severity,
            title=trouble.title,
            owner_id=version.created_by,
            blocks=TO_PRODUCTION if trouble.blocks else (),
        )
    before = uow.findings.lock(known)
    blocks = tuple(sorted({*before.blocks, *(TO_PRODUCTION if trouble.blocks else ())}))
    severity = max(before.severity, trouble.severity, key=SEVERITIES.index)
    if (severity, set(blocks)) != (before.severity, set(before.blocks)):
        after = replace(before, severity=severity, title=trouble.title, blocks=blocks)
        uow.findings.change(after)
        uow.audit(call.event("finding:changed", "finding", known, before=before.to_json(), after=after.to_json()))
        call.tell(uow, events.FINDING_CHANGED, ("finding", known), version.model_id, **after.to_json())
    return known


def _take_back(uow: UnitOfWork, call: Call, version: ModelVersion, ending: Ending) -> TransitionRequest | None:
    """Ask for a rollback as anybody may; its flow judges it. None when there is nothing to go back to, or somebody
    has asked to move the version already.
    """
    if uow.versions.to_restore(version.model_id) is None:
        return None
    request = TransitionRequest.opened(
        call.new_id(),
        model_id=version.model_id,
        version_id=version.id,
        transition=TransitionName.ROLLBACK,
        requester_id=_account(uow, call),
        reason=f"Validation found a regression of severity {ending.regression_severity} in a canary.",
        at=call.at,
    )
    if not uow.requests.add_unless_moving(request):
        return None
    after = {"transition": request.transition.value, "versionId": version.id, "status": "open"}
    uow.audit(call.event("request:opened", "request", request.id, after=after, reason=request.reason))
    named = {"transition": request.transition.value, "versionId": version.id, "requesterId": request.requester_id}
    call.tell(uow, events.REQUEST_OPENED, ("request", request.id), request.model_id, **named)
    return request


def _account(uow: UnitOfWork, call: Call) -> str:
    known = uow.people.named(ACCOUNT)
    if known is not None:
        return known.id
    user = User(call.new_id(), ACCOUNT, frozenset(), kind=SERVICE, active=False)
    uow.people.add(user, call.at)
    uow.audit(call.event("user:created", "user", user.id, after={"name": user.name, "kind": user.kind}))
    return user.id


def _tell(uow: UnitOfWork, call: Call, run: ValidationRun, version: ModelVersion, ending: Ending) -> None:
    after = {
        "versionId": version.id,
        "runId": run.run_id,
        "nightId": run.night_id,
        "status": ending.status.value,
        "reason": ending.reason,
        "tests": dict(ending.counts),
        "regressionDetected": ending.regression_detected,
        "regressionSeverity": ending.regression_severity,
        "findings": ending.judged["findings"],
        "rollbackRequest": ending.judged["rollback_request"],
    }
    uow.audit(call.event("validation:settled", "validation_run", run.id, after=after))
    if ending.status in (RunStatus.FAILED, RunStatus.ERROR) or run.night_id is None:
        call.tell(uow, events.VALIDATION_SETTLED, ("validation_run", run.id), version.model_id, **after)
    if ending.regression_detected:
        call.tell(uow, events.REGRESSION_DETECTED, ("validation_run", run.id), version.model_id, **after)


def troubles_of(version: ModelVersion, ending: Ending) -> list[Trouble]:
    """What is worth a finding. A regression blocks the way to production from severity medium on; a failed test of a
    version that serves is of severity medium; a suite that could not be executed is of severity low. What the examples
    cannot tell is no finding: the report shows it.
    """
    found: list[Trouble] = []
    name = version.version
    if ending.regression_detected:
        severity = ending.regression_severity
        causes = ", ".join(_causes(ending)) or "overall"
        title = f"Version {name} is worse than its baseline ({causes}), severity {severity}."
        found.append(Trouble(REGRESSION, severity, title, blocks=severity != "low"))
    elif ending.status is RunStatus.FAILED:
        title = f"Version {name} failed validation: {ending.reason}"
        severity = "medium" if version.state is VersionState.PRODUCTION else "low"
        found.append(Trouble(VALIDATION, severity, title[:500], blocks=True))
    elif ending.status is RunStatus.ERROR:
        title = f"Version {name} could not be validated: {ending.reason}"
        found.append(Trouble(VALIDATION, "low", title[:500], blocks=False))
    drifted = (ending.judged.get("drift") or {}).get("severity")
    if drifted in _DRIFT:
        title = f"The live inputs of version {name} have drifted from its reference, {drifted}."
        found.append(Trouble(DRIFT, _DRIFT[drifted], title, blocks=False))
    return found


_DRIFT = {MODERATE: "low", SEVERE: "medium"}  # severities of findings


def _causes(ending: Ending) -> list[str]:
    causes = {
        cause.replace("_", " ") for suite in ending.judged.get("suites", {}).values() for cause in suite["causes"]
    }
    if (ending.judged.get("latency") or {}).get("alarm"):
        causes.add("latency")
    return sorted(causes)
