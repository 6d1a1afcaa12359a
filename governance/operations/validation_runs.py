"""Validating one version: asked for, launched, measured, settled. Each is one transaction and repeatable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from governance.errors import DependencyUnavailable, InvalidInput
from governance.operations.calls import Call
from governance.ports import Launcher, UnitOfWork
from governance.validation.runs import UNMEASURED, Measured, RunStatus, ValidationRun, public_id

NewUnit = Callable[[], UnitOfWork]
DEPLOYMENT = "validate-version"
MOST_CASES = 1_000
MOST_ATTEMPTS = 3


def start_run(
    uow: UnitOfWork, call: Call, *, model_id: str, version_id: str, case_ids: Sequence[str] | None = None
) -> str:
    """Record that somebody wants the version validated; its flow does it. The id of the run.

    case_ids: the tests to run, None for all. Raises NotFound, Forbidden, InvalidInput.
    """
    doing = "Validating a version"
    person = call.may("model:evaluate", doing)
    with uow:
        known = call.repeated(uow)
        call.may_with("model", model_id, uow.access.of_model(model_id), "model:evaluate", doing)
        if known:
            return known
        version = uow.versions.by_id(version_id)
        if version.model_id != model_id:
            raise InvalidInput("The version is not one of this model.", details={"field": "model_id"})
        run_id = call.new_id()
        run = ValidationRun(
            id=run_id,
            run_id=public_id(run_id, version_id, call.at),
            model_id=model_id,
            version_id=version_id,
            status=RunStatus.QUEUED,
            created_at=call.at,
            case_ids=_checked(case_ids),
            requested_by=person.id,
        )
        uow.runs.add([run])
        call.remember(uow, run_id)
        after = {"versionId": version_id, "runId": run.run_id, "caseIds": list(run.case_ids or ()) or None}
        uow.audit(call.event("validation:requested", "validation_run", run_id, after=after))
        uow.commit()
    return run_id


def _checked(case_ids: Sequence[str] | None) -> tuple[str, ...] | None:
    if case_ids is None:
        return None
    wanted = tuple(dict.fromkeys(case_ids))
    if not wanted:
        raise InvalidInput(
            "test_case_ids names at least one test; leave it out to run them all.", details={"field": "test_case_ids"}
        )
    if len(wanted) > MOST_CASES:
        raise InvalidInput(f"At most {MOST_CASES} tests can be named.", details={"field": "test_case_ids"})
    return wanted


def launch_run(new_unit: NewUnit, launcher: Launcher, call: Call, run_id: str) -> str:
    """Start the flow of the run's present attempt; the id of the flow run. Safe to repeat.

    Raises DependencyUnavailable; the run is kept and launched later.
    """
    with new_unit() as uow:
        run = uow.runs.get(run_id)
        model, version = uow.models.get(run.model_id), uow.versions.by_id(run.version_id)
    if run.settled:
        return run.flow_run_id or ""
    flow_run_id = launcher.start(
        DEPLOYMENT,
        {"run_id": run.id},
        key=f"{run.id}:{run.attempt}",
        title=f"validate {model.name} {version.version}",
        tags=(f"validation:{run.id}",),
    )
    with new_unit() as uow:
        uow.runs.launched(run.id, flow_run_id, run.attempt)
        uow.commit()
    return flow_run_id


def begin_run(uow: UnitOfWork, call: Call, run_id: str) -> ValidationRun:
    """Mark that a worker executes the suites. What has ended, or was measured, is returned as it is."""
    with uow:
        run = uow.runs.lock(run_id)
        if run.status in UNMEASURED:
            uow.runs.running(run.id, call.at)
            uow.commit()
    return run


def record_measured(uow: UnitOfWork, run_id: str, found: Measured) -> bool:
    """False when another attempt was faster; what was found first stays."""
    with uow:
        kept = uow.runs.measured(run_id, found)
        uow.commit()
    return kept


def reconcile_runs(
    new_unit: NewUnit,
    launcher: Launcher,
    call: Call,
    worked_on: Callable[[str], bool],
    *,
    orphan_after: timedelta,
    limit: int = 100,
) -> tuple[str, ...]:
    """Launch again what was asked for and nobody works on; the ids of those runs. worked_on: by the id of a run.

    A run whose worker was lost MOST_ATTEMPTS times is left to `flows.validation`, which ends it as an error.
    """
    started: list[str] = []
    with new_unit() as uow:
        waiting = uow.runs.unsettled_alone(call.at - orphan_after, limit)
    for run in waiting:
        try:
            if run.flow_run_id is not None:
                if worked_on(run.id) or launcher.state(run.flow_run_id) == "SCHEDULED":
                    continue
                if call.at - run.created_at < orphan_after * 2**run.attempt:
                    continue  # it was lost before: a little longer each time
                with new_unit() as uow:
                    uow.runs.launched(run.id, run.flow_run_id, run.attempt + 1)
                    uow.commit()
            launch_run(new_unit, launcher, call, run.id)
            started.append(run.id)
        except DependencyUnavailable:
            continue
    return tuple(started)
