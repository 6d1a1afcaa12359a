"""Stand-in: the few writes that the stand-ins of the operations need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, func, insert, select

from governance.errors import Duplicate
from governance.validation.nights import ACTIVE, Night, NightStatus
from governance.validation.runs import ValidationRun
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import suite_samples, validation_batches, validation_nights, validation_runs, versions


class ValidationRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def active_versions(self) -> tuple[tuple[str, str], ...]:
        c = versions.c
        found = select(c.model_id, c.id).where(c.state.in_([state.value for state in ACTIVE])).order_by(c.id)
        return tuple((row.model_id, row.id) for row in self._connection.execute(found))

    def add_run(self, run: ValidationRun) -> None:
        self.add_night_runs([run])

    def add_night_runs(self, runs: Sequence[ValidationRun]) -> None:
        values = [
            {
                "id": run.id, "run_id": run.run_id, "night_id": run.night_id, "batch": run.batch,
                "model_id": run.model_id, "version_id": run.version_id, "requested_by": run.requested_by,
                "case_ids": list(run.case_ids) if run.case_ids is not None else None, "status": run.status.value,
                "created_at": run.created_at,
            }
            for run in runs
        ]  # fmt: skip
        if values:
            self._connection.execute(insert(validation_runs), values)

    def night_of(self, night: date) -> Night | None:
        row = self._connection.execute(
            select(validation_nights).where(validation_nights.c.night == night)
        ).one_or_none()
        if row is None:
            return None
        return Night(
            row.id, row.night, row.trigger, NightStatus(row.status), row.models, row.batches, row.started_at,
            row.deadline_at,
        )  # fmt: skip

    def add_night(self, night: Night, by: str | None) -> None:
        duplicate = Duplicate("That date has its night already.", details={"night": night.night.isoformat()})
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(validation_nights).values(
                    id=night.id, night=night.night, trigger=night.trigger, status=night.status.value, requested_by=by,
                    models=night.models, batches=night.batches, started_at=night.started_at,
                    deadline_at=night.deadline_at,
                )
            )  # fmt: skip
        if night.batches:
            batches = [{"night_id": night.id, "number": n + 1, "status": "queued"} for n in range(night.batches)]
            self._connection.execute(insert(validation_batches), batches)

    def add_sample(self, suite_id: str, dataset_id: str, by: str, at: datetime) -> int:
        c = suite_samples.c
        last = self._connection.scalar(select(func.max(c.number)).where(c.suite_id == suite_id)) or 0
        duplicate = Duplicate("The suite has this sample already.", details={"datasetId": dataset_id})
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(suite_samples).values(
                    suite_id=suite_id, number=last + 1, dataset_id=dataset_id, created_by=by, created_at=at
                )
            )
        return last + 1
