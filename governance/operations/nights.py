"""A night from its opening to its end. Each step is one transaction and repeatable; the flow only walks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from governance import events
from governance.access.reach import everywhere
from governance.errors import DependencyUnavailable, Forbidden
from governance.findings import NIGHT
from governance.operations.calls import Call
from governance.operations.findings import opened
from governance.ports import Launcher, UnitOfWork
from governance.validation.nights import (
    GRACE,
    MOST_ATTEMPTS,
    Batch,
    Night,
    NightStatus,
    Trigger,
    cut,
    size_of_batch,
    summary_of,
)
from governance.validation.runs import UNMEASURED, RunStatus, ValidationRun, public_id

NewUnit = Callable[[], UnitOfWork]
DEPLOYMENT, BATCH_DEPLOYMENT = "nightly-validation", "validate-batch"


def open_night(
    uow: UnitOfWork, call: Call, *, night: date, trigger: Trigger, batch_size: int, hours: float
) -> tuple[str, bool]:
    """(the id of the night of that date, whether it is new), with a run for every active version, in batches of at most
    `batch_size`. A caller who is a person needs `monitoring:create`. Raises Forbidden.
    """
    if call.principal is not None:
        call.may("monitoring:create", doing := "Validating all active versions")
        if not everywhere(call.principal, "monitoring:create"):
            raise Forbidden(f"{doing} is for those who may do it everywhere, by a role.")
    with uow:
        night_id, new = _opened(uow, call, night, trigger, batch_size, hours)
        if new:
            uow.commit()
    return night_id, new


def _opened(
    uow: UnitOfWork, call: Call, night: date, trigger: Trigger, batch_size: int, hours: float
) -> tuple[str, bool]:
    """In the caller's transaction."""
    known = uow.nights.of(night)
    if known is not None:
        return known.id, False
    night_id = call.new_id()
    active = uow.nights.active_versions()
    batches = cut(active, size_of_batch(len(active), batch_size))
    new = Night(
        id=night_id,
        night=night,
        trigger=trigger,
        status=NightStatus.RUNNING,
        models=sum(map(len, batches)),
        batches=len(batches),
        started_at=call.at,
        deadline_at=call.at + timedelta(hours=hours),
    )
    if not uow.nights.add(new, call.principal.id if call.principal else None):
        found = uow.nights.of(night)  # somebody was faster
        assert found is not None  # noqa: S101
        return found.id, False
    for number, versions in enumerate(batches, start=1):
        uow.runs.add([_queued(call, night_id, number, *pair) for pair in versions])
    after = {"night": night.isoformat(), "trigger": trigger, "models": new.models, "batches": new.batches}
    uow.audit(call.event("night:opened", "night", night_id, after=after))
    return night_id, True


def _queued(call: Call, night_id: str, batch: int, model_id: str, version_id: str) -> ValidationRun:
    run_id = call.new_id()
    return ValidationRun(
        id=run_id,
        run_id=public_id(run_id, version_id, call.at),
        model_id=model_id,
        version_id=version_id,
        status=RunStatus.QUEUED,
        created_at=call.at,
        night_id=night_id,
        batch=batch,
    )


def launch_night(new_unit: NewUnit, launcher: Launcher, call: Call, night_id: str) -> str:
    """Start the flow of the night's present attempt; the id of the flow run. Safe to repeat.

    Raises DependencyUnavailable; the night is kept and launched later.
    """
    with new_unit() as uow:
        night = uow.nights.get(night_id)
    if night.status is not NightStatus.RUNNING:
        return night.flow_run_id or ""
    flow_run_id = launcher.start(
        DEPLOYMENT,
        {"night_id": night.id},
        key=f"night:{night.id}:{night.attempt}",
        title=f"night of {night.night.isoformat()}",
        tags=(f"night:{night.id}",),
    )
    with new_unit() as uow:
        uow.nights.launched(night.id, flow_run_id, night.attempt)
        uow.commit()
    return flow_run_id


@dataclass
class Watch:
    """What whoever tends the batches of a night remembers from one look to the next.

    unheld: since when a flow run was seen taken by a worker, or running, and its batch held by nobody. left: for each
    batch the versions that were left at its last loss, and how often it was lost since one of them got further.
    """

    unheld: dict[str, datetime] = field(default_factory=dict)
    left: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batches:
    """How far the batches are. lost: those that were started again because their worker was gone."""

    queued: int
    running: int
    done: int
    given_up: int
    lost: int

    @property
    def over(self) -> bool:
        return self.queued + self.running == 0


def tend_batches(
    new_unit: NewUnit,
    launcher: Launcher,
    call: Call,
    night_id: str,
    worked_on: Callable[[str], bool],
    *,
    orphan_after: timedelta,
    watch: Watch,
) -> Batches:
    """Start what is queued, and again what was lost. worked_on: by `batch_lease`.

    A run that a worker has taken, or that says it runs, holds its batch soon; when it does not for `orphan_after`, its
    worker died in between. A batch that is lost MOST_ATTEMPTS times without one more of its versions measured is given
    up. Raises DependencyUnavailable.
    """
    lost = 0
    with new_unit() as uow:
        night, batches = uow.nights.get(night_id), uow.nights.batches(night_id)
    for batch in batches:
        if batch.status in ("done", "given_up"):
            continue
        if batch.flow_run_id is None:
            _start_batch(new_unit, launcher, call, night, batch)
        elif not worked_on(batch_lease(batch.night_id, batch.number)):
            state = launcher.state(batch.flow_run_id)
            if state == "SCHEDULED":
                continue
            seen = watch.unheld.setdefault(batch.flow_run_id, call.at)
            if state in ("PENDING", "RUNNING", "CANCELLING") and call.at - seen < orphan_after:
                continue
            lost += _again(new_unit, launcher, call, night, batch, watch)
        else:
            watch.unheld.pop(batch.flow_run_id, None)
    with new_unit() as uow:
        statuses = [batch.status for batch in uow.nights.batches(night_id)]
    return Batches(
        statuses.count("queued"), statuses.count("running"), statuses.count("done"), statuses.count("given_up"), lost
    )


def batch_lease(night_id: str, number: int) -> str:
    """Held by whoever measures the batch."""
    return f"batch:{night_id}:{number}"


def _start_batch(new_unit: NewUnit, launcher: Launcher, call: Call, night: Night, batch: Batch) -> None:
    flow_run_id = launcher.start(
        BATCH_DEPLOYMENT,
        {"night_id": batch.night_id, "number": batch.number},
        key=f"batch:{batch.night_id}:{batch.number}:{batch.attempt}",
        title=f"night of {night.night.isoformat()}, batch {batch.number} of {night.batches}",
        tags=(f"night:{batch.night_id}",),
    )
    with new_unit() as uow:
        current = uow.nights.lock_batch(batch.night_id, batch.number)
        if current.attempt == batch.attempt and current.flow_run_id is None:
            uow.nights.set_batch(replace(current, flow_run_id=flow_run_id), call.at)
        uow.commit()


def _again(new_unit: NewUnit, launcher: Launcher, call: Call, night: Night, batch: Batch, watch: Watch) -> int:
    """1 when the batch was really lost. Between the look at its lease and this it may have ended as it should."""
    with new_unit() as uow:
        current = uow.nights.lock_batch(batch.night_id, batch.number)
        if current != batch or current.status in ("done", "given_up"):
            return 0
        left = sum(run.status in UNMEASURED for run in uow.runs.of_batch(batch.night_id, batch.number))
        before, losses = watch.left.get(batch.number, (left, 0))
        losses = losses + 1 if left == before else 1
        watch.left[batch.number] = (left, losses)
        if losses >= MOST_ATTEMPTS:
            uow.nights.set_batch(replace(current, status="given_up"), call.at)
            uow.commit()
            return 1
        again = replace(current, status="queued", attempt=current.attempt + 1, flow_run_id=None)
        uow.nights.set_batch(again, call.at)
        uow.commit()
    _start_batch(new_unit, launcher, call, night, again)
    return 1


def begin_batch(uow: UnitOfWork, call: Call, night_id: str, number: int) -> tuple[ValidationRun, ...]:
    """The runs of the batch that nobody has measured yet; none when the batch, or its night, is over."""
    with uow:
        batch = uow.nights.lock_batch(night_id, number)
        night = uow.nights.get(night_id)
        if batch.status in ("done", "given_up") or night.status is not NightStatus.RUNNING:
            return ()
        uow.nights.set_batch(replace(batch, status="running", started_at=batch.started_at or call.at), call.at)
        runs = uow.runs.of_batch(night_id, number)
        uow.commit()
    return tuple(run for run in runs if run.status in UNMEASURED)


def finish_batch(uow: UnitOfWork, call: Call, night_id: str, number: int) -> None:
    """Once every run of it is measured."""
    with uow:
        batch = uow.nights.lock_batch(night_id, number)
        left = [
            run for run in uow.runs.of_batch(night_id, number) if run.status in (RunStatus.QUEUED, RunStatus.RUNNING)
        ]
        if batch.status not in ("done", "given_up") and not left:
            uow.nights.set_batch(replace(batch, status="done"), call.at)
            uow.commit()


def end_night(uow: UnitOfWork, call: Call, night_id: str, **figures: Any) -> NightStatus:
    """Close the night once its runs are settled. What was not reached makes it partial, and that is a finding.

    figures: further entries of the summary. Repeating it changes nothing.
    """
    with uow:
        night = uow.nights.lock(night_id)
        if night.status is not NightStatus.RUNNING:
            return night.status
        progress = uow.nights.progress(night_id)
        settled = {name: n for name, n in progress.items() if name not in ("queued", "running", "measured")}
        not_reached = sum(progress.values()) - sum(settled.values())
        status = NightStatus.PARTIAL if not_reached else NightStatus.COMPLETED
        uow.nights.abandon(night_id, "The night ended before this version was reached.", call.at)
        summary = summary_of(settled, uow.nights.regressions(night_id), not_reached=not_reached, **figures)
        uow.nights.end(night_id, status.value, summary, call.at)
        after = {"night": night.night.isoformat(), "status": status.value, **summary}
        uow.audit(call.event("night:ended", "night", night_id, after=after))
        call.tell(uow, events.NIGHT_ENDED, ("night", night_id), None, **after)
        if not_reached:
            title = f"The night of {night.night} ended with {not_reached} of {night.models} versions not validated."
            opened(uow, call, None, kind=NIGHT, severity="medium", title=title)
        uow.commit()
    return status


def note_missed(uow: UnitOfWork, call: Call, night: date, due: datetime) -> bool:
    """Record that nothing began on a date that is over, as a finding. False when the date has a night, or nothing was
    active when it was due.
    """
    with uow:
        if uow.nights.of(night) is not None:
            return False
        models = len(uow.nights.active_versions(due))
        if not models:
            return False
        missed = Night(
            id=call.new_id(),
            night=night,
            trigger="watch",
            status=NightStatus.MISSED,
            models=models,
            batches=0,
            started_at=due,
            deadline_at=due,
            completed_at=call.at,
            summary=summary_of({}, 0, not_reached=models),
        )
        if not uow.nights.add(missed, None):
            return False
        after = {"night": night.isoformat(), "models": models}
        uow.audit(call.event("night:missed", "night", missed.id, after=after))
        call.tell(uow, events.NIGHT_MISSED, ("night", missed.id), None, **after)
        title = f"The night of {night} was missed: {models} active versions were not validated."
        opened(uow, call, None, kind=NIGHT, severity="medium", title=title)
        uow.commit()
    return True


def start_late(uow: UnitOfWork, call: Call, night: date, due: datetime, *, batch_size: int, hours: float) -> str | None:
    """Open the night that its schedule did not, with a finding that says so; None when there is nothing to do."""
    with uow:
        if uow.nights.of(night) is not None or not uow.nights.active_versions(due):
            return None
        night_id, new = _opened(uow, call, night, "watch", batch_size, hours)
        if not new:
            return None
        title = f"The night of {night} was not begun by its schedule, due at {due:%H:%M %Z}; it was begun later."
        opened(uow, call, None, kind=NIGHT, severity="low", title=title)
        uow.commit()
    return night_id


def watch_nights(
    new_unit: NewUnit, call: Call, due: Sequence[tuple[date, datetime]], *, batch_size: int, hours: float
) -> tuple[str, ...]:
    """Notice what the schedule left out. due: dates and times that have passed, newest first; the newest night is begun
    late, an older one is noted as missed. The ids of nights to launch.
    """
    started: list[str] = []
    for position, (night, moment) in enumerate(due):
        if call.at - moment < GRACE:
            continue
        if position:
            note_missed(new_unit(), call, night, moment)
        elif night_id := start_late(new_unit(), call, night, moment, batch_size=batch_size, hours=hours):
            started.append(night_id)
    return tuple(started)


def reconcile_nights(
    new_unit: NewUnit, launcher: Launcher, call: Call, worked_on: Callable[[str], bool], *, orphan_after: timedelta
) -> tuple[str, ...]:
    """Launch the flow of nights that run and that nobody walks; their ids."""
    started: list[str] = []
    with new_unit() as uow:
        running = uow.nights.running()
    for night in running:
        if worked_on(night_lease(night.id)) or call.at - night.started_at < orphan_after:
            continue
        try:
            if night.flow_run_id is not None:
                if launcher.state(night.flow_run_id) == "SCHEDULED":
                    continue
                if call.at - night.started_at < orphan_after * 2 ** min(night.attempt, 8):
                    continue  # it was lost before: a little longer each time
                with new_unit() as uow:
                    uow.nights.launched(night.id, night.flow_run_id, night.attempt + 1)
                    uow.commit()
            launch_night(new_unit, launcher, call, night.id)
            started.append(night.id)
        except DependencyUnavailable:
            continue
    return tuple(started)


def night_lease(night_id: str) -> str:
    """Held by whoever walks the night."""
    return f"night:{night_id}"
