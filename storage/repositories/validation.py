"""Validation runs and their nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, literal_column, null, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.errors import NotFound
from governance.models import is_id
from governance.validation.nights import ACTIVE, Batch, Night, NightStatus
from governance.validation.runs import UNMEASURED, Ending, Measured, RunStatus, ValidationRun
from storage.tables import findings, models, validation_batches, validation_nights, validation_runs, versions

_RUNS, _NIGHTS, _BATCHES = validation_runs.c, validation_nights.c, validation_batches.c
_TO_MEASURE = _RUNS.status.in_([status.value for status in sorted(UNMEASURED)])
_UNDONE = _RUNS.completed_at.is_(None)


_PLAIN = [column for column in _RUNS if column.name not in ("tests", "measured", "judged")]
_LIGHT = [*_PLAIN, null().label("tests"), null().label("measured"), null().label("judged")]
# The results of suites are many and large, and the judgement of a night needs none of them.
_WITHOUT_RESULTS = literal_column(
    "jsonb_set(measured, '{suites}', (select coalesce(jsonb_agg(one - 'results' order by place), '[]') "
    "from jsonb_array_elements(measured -> 'suites') with ordinality parts (one, place)))",
    JSONB,
)
_TO_JUDGE = [*_PLAIN, _RUNS.tests, _WITHOUT_RESULTS.label("measured"), null().label("judged")]
_LAST_OF_SUITE = sql("""
    select (select one - 'results' from jsonb_array_elements(r.measured -> 'suites') one
            where one ->> 'suite_id' = :suite limit 1) as measured,
        r.judged -> 'suites' -> :suite as judged
    from validation_runs r
    where r.version_id = :version and r.night_id is not null and r.created_at < :before
        and r.completed_at is not null and r.judged -> 'suites' -> :suite is not null
    order by r.created_at desc limit 1
""")
_LAST_LATENCY = sql("""
    select r.judged -> 'latency' -> 'state' from validation_runs r
    where r.version_id = :version and r.night_id is not null and r.created_at < :before
        and r.completed_at is not null and jsonb_typeof(r.judged -> 'latency' -> 'state') = 'object'
    order by r.created_at desc limit 1
""")


class ValidationRunRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, runs: Sequence[ValidationRun]) -> None:
        rows = [
            {
                "id": run.id,
                "run_id": run.run_id,
                "night_id": run.night_id,
                "batch": run.batch,
                "model_id": run.model_id,
                "version_id": run.version_id,
                "requested_by": run.requested_by,
                "case_ids": list(run.case_ids) if run.case_ids is not None else None,
                "status": run.status.value,
                "created_at": run.created_at,
            }
            for run in runs
        ]
        if rows:
            self._connection.execute(insert(validation_runs), rows)

    def get(self, run_id: str) -> ValidationRun:
        return self._one(run_id, lock=False)

    def lock(self, run_id: str) -> ValidationRun:
        return self._one(run_id, lock=True)

    def _one(self, run_id: str, *, lock: bool) -> ValidationRun:
        named: ColumnElement[bool] = _RUNS.id == run_id if is_id(run_id) else _RUNS.run_id == run_id
        query = select(*_LIGHT).where(named).with_for_update() if lock else select(validation_runs).where(named)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("validation run", run_id[:200])
        return _run(row)

    def launched(self, run_id: str, flow_run_id: str, attempt: int) -> None:
        self._change(run_id, flow_run_id=flow_run_id, attempt=attempt)

    def running(self, run_id: str, at: datetime) -> None:
        self._connection.execute(
            update(validation_runs)
            .where(_RUNS.id == run_id, _TO_MEASURE)
            .values(status=RunStatus.RUNNING.value, started_at=at)
        )

    def measured(self, run_id: str, found: Measured) -> bool:
        statement = (
            update(validation_runs)
            .where(_RUNS.id == run_id, _TO_MEASURE)
            .values(
                status=RunStatus.MEASURED.value, tests=[dict(test) for test in found.tests], measured=found.to_json()
            )
        )
        return self._connection.execute(statement).rowcount == 1

    def settle(self, run_id: str, ending: Ending, at: datetime) -> None:
        counts = ending.counts
        self._change(
            run_id,
            status=ending.status.value,
            reason=ending.reason,
            total_tests=counts.get("total", 0),
            passed_tests=counts.get("passed", 0),
            failed_tests=counts.get("failed", 0),
            error_tests=counts.get("error", 0),
            undecided_tests=counts.get("undecided", 0),
            regression_detected=ending.regression_detected,
            regression_severity=ending.regression_severity,
            judged=dict(ending.judged),
            completed_at=at,
        )

    def _change(self, run_id: str, **values: Any) -> None:
        self._connection.execute(update(validation_runs).where(_RUNS.id == run_id, _UNDONE).values(**values))

    def unsettled_alone(self, before: datetime, limit: int) -> tuple[ValidationRun, ...]:
        query = (
            select(validation_runs)
            .where(_UNDONE, _RUNS.night_id.is_(None), _RUNS.created_at <= before)
            .order_by(_RUNS.created_at)
            .limit(limit)
        )
        return tuple(_run(row) for row in self._connection.execute(query))

    def last_of_suite(
        self, version_id: str, suite_id: str, before: datetime
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        row = self._connection.execute(
            _LAST_OF_SUITE, {"version": version_id, "suite": suite_id, "before": before}
        ).one_or_none()
        return (row.measured, row.judged) if row is not None and row.measured is not None else None

    def last_latency(self, version_id: str, before: datetime) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._connection.execute(
            _LAST_LATENCY, {"version": version_id, "before": before}
        ).scalar_one_or_none()
        return found

    def of_batch(self, night_id: str, number: int) -> tuple[ValidationRun, ...]:
        query = select(*_LIGHT).where(_RUNS.night_id == night_id, _RUNS.batch == number).order_by(_RUNS.id)
        return tuple(_run(row) for row in self._connection.execute(query))

    def of_night(self, night_id: str) -> tuple[ValidationRun, ...]:
        query = select(*_TO_JUDGE).where(_RUNS.night_id == night_id, _RUNS.measured.is_not(None)).order_by(_RUNS.id)
        return tuple(_run(row) for row in self._connection.execute(query))

    def open_finding(self, version_id: str, kind: str) -> str | None:
        query = select(findings.c.id).where(
            findings.c.version_id == version_id, findings.c.kind == kind, findings.c.status == "open"
        )
        return self._connection.execute(query.order_by(findings.c.id).limit(1)).scalar_one_or_none()


class NightRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def active_versions(self, existing_at: datetime | None = None) -> tuple[tuple[str, str], ...]:
        query = (
            select(versions.c.model_id, versions.c.id)
            .where(versions.c.state.in_([state.value for state in ACTIVE]))
            .order_by(versions.c.model_id, versions.c.id)
        )
        if existing_at is not None:
            query = query.where(versions.c.created_at <= existing_at)
        return tuple((row.model_id, row.id) for row in self._connection.execute(query))

    def of(self, night: date) -> Night | None:
        row = self._connection.execute(select(validation_nights).where(_NIGHTS.night == night)).one_or_none()
        return _night(row) if row else None

    def get(self, night_id: str) -> Night:
        return self._one(night_id, lock=False)

    def lock(self, night_id: str) -> Night:
        return self._one(night_id, lock=True)

    def _one(self, night_id: str, *, lock: bool) -> Night:
        query = select(validation_nights).where(_NIGHTS.id == night_id)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NotFound("night", night_id)
        return _night(row)

    def running(self) -> tuple[Night, ...]:
        query = select(validation_nights).where(_NIGHTS.completed_at.is_(None)).order_by(_NIGHTS.night)
        return tuple(_night(row) for row in self._connection.execute(query))

    def add(self, night: Night, by: str | None) -> bool:
        statement = (
            upsert(validation_nights)
            .values(
                id=night.id,
                night=night.night,
                trigger=night.trigger,
                status=night.status.value,
                requested_by=by,
                models=night.models,
                batches=night.batches,
                started_at=night.started_at,
                deadline_at=night.deadline_at,
                completed_at=night.completed_at,
                summary=dict(night.summary),
            )
            .on_conflict_do_nothing(index_elements=["night"])
            .returning(_NIGHTS.id)
        )
        if self._connection.execute(statement).one_or_none() is None:
            return False
        if night.batches:
            rows = [{"night_id": night.id, "number": n, "status": "queued"} for n in range(1, night.batches + 1)]
            self._connection.execute(insert(validation_batches), rows)
        return True

    def launched(self, night_id: str, flow_run_id: str, attempt: int) -> None:
        self._connection.execute(
            update(validation_nights)
            .where(_NIGHTS.id == night_id, _NIGHTS.completed_at.is_(None))
            .values(flow_run_id=flow_run_id, attempt=attempt)
        )

    def end(self, night_id: str, status: str, summary: Mapping[str, Any], at: datetime) -> None:
        self._connection.execute(
            update(validation_nights)
            .where(_NIGHTS.id == night_id, _NIGHTS.completed_at.is_(None))
            .values(status=status, summary=dict(summary), completed_at=at)
        )

    def batches(self, night_id: str) -> tuple[Batch, ...]:
        query = select(validation_batches).where(_BATCHES.night_id == night_id).order_by(_BATCHES.number)
        return tuple(_batch(row) for row in self._connection.execute(query))

    def lock_batch(self, night_id: str, number: int) -> Batch:
        query = select(validation_batches).where(_BATCHES.night_id == night_id, _BATCHES.number == number)
        row = self._connection.execute(query.with_for_update()).one_or_none()
        if row is None:
            raise NotFound("batch", f"{night_id}:{number}")
        return _batch(row)

    def set_batch(self, batch: Batch, at: datetime) -> None:
        self._connection.execute(
            update(validation_batches)
            .where(_BATCHES.night_id == batch.night_id, _BATCHES.number == batch.number)
            .values(
                status=batch.status,
                attempt=batch.attempt,
                flow_run_id=batch.flow_run_id,
                started_at=batch.started_at,
                finished_at=at if batch.status in ("done", "given_up") else None,
            )
        )

    def progress(self, night_id: str) -> dict[str, int]:
        query = select(_RUNS.status, func.count().label("n")).where(_RUNS.night_id == night_id).group_by(_RUNS.status)
        return {row.status: row.n for row in self._connection.execute(query)}

    def regressions(self, night_id: str) -> int:
        query = select(func.count()).where(_RUNS.night_id == night_id, _RUNS.regression_detected)
        return int(self._connection.execute(query).scalar_one())

    def troubled(self, night_id: str, limit: int) -> tuple[Mapping[str, Any], ...]:
        worst = func.array_position(
            sql("array['high', 'medium', 'low', 'none']"), validation_runs.c.regression_severity
        )
        query = (
            select(
                models.c.name.label("model"),
                versions.c.version,
                _RUNS.status,
                _RUNS.regression_severity.label("severity"),
                _RUNS.reason,
            )
            .join(versions, versions.c.id == _RUNS.version_id)
            .join(models, models.c.id == _RUNS.model_id)
            .where(_RUNS.night_id == night_id, _RUNS.status != RunStatus.PASSED.value)
            .order_by(worst, _RUNS.status, models.c.name, _RUNS.id)
            .limit(limit)
        )
        return tuple(dict(row._mapping) for row in self._connection.execute(query))

    def abandon(self, night_id: str, reason: str, at: datetime) -> int:
        statement = (
            update(validation_runs)
            .where(_RUNS.night_id == night_id, _UNDONE)
            .values(status=RunStatus.ERROR.value, reason=reason, completed_at=at)
        )
        return self._connection.execute(statement).rowcount


def _run(row: Row[Any]) -> ValidationRun:
    return ValidationRun(
        id=row.id,
        run_id=row.run_id,
        model_id=row.model_id,
        version_id=row.version_id,
        status=RunStatus(row.status),
        created_at=row.created_at,
        night_id=row.night_id,
        batch=row.batch,
        case_ids=tuple(row.case_ids) if row.case_ids is not None else None,
        requested_by=row.requested_by,
        flow_run_id=row.flow_run_id,
        attempt=row.attempt,
        tests=tuple(row.tests or ()),
        measured=row.measured,
        judged=row.judged,
    )


def _night(row: Row[Any]) -> Night:
    return Night(
        id=row.id,
        night=row.night,
        trigger=row.trigger,
        status=NightStatus(row.status),
        models=row.models,
        batches=row.batches,
        started_at=row.started_at,
        deadline_at=row.deadline_at,
        flow_run_id=row.flow_run_id,
        attempt=row.attempt,
        completed_at=row.completed_at,
        summary=row.summary,
    )


def _batch(row: Row[Any]) -> Batch:
    return Batch(row.night_id, row.number, row.status, row.attempt, row.flow_run_id, row.started_at)
