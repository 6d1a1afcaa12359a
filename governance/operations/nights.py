"""Stand-in: what the routes need of opening a night, without any flow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from governance.operations.calls import Call
from governance.ports import Launcher, UnitOfWork
from governance.validation.nights import Night, NightStatus, Trigger, cut
from governance.validation.runs import RunStatus, ValidationRun, public_id


def open_night(
    uow: UnitOfWork, call: Call, *, night: date, trigger: Trigger, batch_size: int, hours: float
) -> tuple[str, bool]:
    """(the id of the night of that date, whether it is new). Raises Forbidden."""
    person = call.may("monitoring:create", "Starting the nightly validation")
    with uow:
        known = uow.validation.night_of(night)
        if known is not None:
            return known.id, False
        batches = cut(uow.validation.active_versions(), batch_size)
        new = Night(
            call.new_id(), night, trigger, NightStatus.RUNNING, sum(map(len, batches)), len(batches), call.at,
            call.at + timedelta(hours=hours),
        )  # fmt: skip
        uow.validation.add_night(new, person.id)
        runs = []
        for number, batch in enumerate(batches, 1):
            for model_id, version_id in batch:
                run_id = call.new_id()
                public = public_id(run_id, version_id, call.at)
                runs.append(
                    ValidationRun(run_id, public, model_id, version_id, RunStatus.QUEUED, call.at, new.id, number)
                )
        uow.validation.add_night_runs(runs)
        uow.audit(call.event("night:opened", "night", new.id, after={"night": night.isoformat()}))
        uow.commit()
    return new.id, True


def launch_night(new_unit: Callable[[], UnitOfWork], launcher: Launcher, call: Call, night_id: str) -> None:
    """Nothing carries it out here. Raises DependencyUnavailable when the orchestrator does not answer."""
    launcher.state(night_id)
