"""Pins, what suites found about which content, and newer samples of suites."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.errors import Duplicate, NotFound
from governance.validation.baselines import Baseline
from governance.validation.ports import StoredExecution
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import baselines, datasets, suite_executions, suite_samples, suites, versions

_PINS, _DONE, _SAMPLES = baselines.c, suite_executions.c, suite_samples.c


class BaselineRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pin(self, baseline: Baseline) -> None:
        self._connection.execute(select(suites.c.id).where(suites.c.id == baseline.suite_id).with_for_update())
        self._connection.execute(
            update(baselines)
            .where(_PINS.suite_id == baseline.suite_id, _PINS.released_at.is_(None))
            .values(released_at=func.greatest(_PINS.pinned_at, baseline.pinned_at))
        )
        self._connection.execute(
            insert(baselines).values(
                id=baseline.id,
                model_id=baseline.model_id,
                suite_id=baseline.suite_id,
                version_id=baseline.version_id,
                suite_digest=baseline.suite_digest,
                dataset_sha256=baseline.dataset_sha256,
                outcomes_sha256=baseline.outcomes_sha256,
                score=baseline.score,
                request_id=baseline.request_id,
                pinned_at=baseline.pinned_at,
            )
        )

    def pinned(self, suite_id: str) -> Baseline | None:
        return self._first(_pins().where(_PINS.suite_id == suite_id, _PINS.released_at.is_(None)))

    def since(self, suite_id: str, moment: datetime) -> tuple[Baseline, ...]:
        query = _pins().where(_PINS.suite_id == suite_id, or_(_PINS.released_at.is_(None), _PINS.released_at >= moment))
        rows = self._connection.execute(query.order_by(_PINS.pinned_at.desc(), _PINS.id.desc()).limit(100))
        return tuple(_baseline(row) for row in rows)

    def _first(self, query: Select[Any]) -> Baseline | None:
        row = self._connection.execute(query).one_or_none()
        return _baseline(row) if row else None

    def keep_execution(self, execution: StoredExecution) -> None:
        found = {
            "suite_id": execution.suite_id,
            "outcomes_sha256": execution.outcomes_sha256,
            "results": dict(execution.results),
            "tests": [dict(test) for test in execution.tests],
            "executed_at": execution.executed_at,
        }
        self._connection.execute(
            upsert(suite_executions)
            .values(
                version_id=execution.version_id,
                suite_digest=execution.suite_digest,
                dataset_sha256=execution.dataset_sha256,
                subject_digest=execution.subject_digest,
                **found,
            )
            .on_conflict_do_update(constraint="suite_executions_pkey", set_=found)
        )

    def execution(
        self, version_id: str, suite_digest: str, dataset_sha256: str, subject_digest: str, since: datetime
    ) -> StoredExecution | None:
        query = select(suite_executions).where(
            _DONE.version_id == version_id,
            _DONE.suite_digest == suite_digest,
            _DONE.dataset_sha256 == dataset_sha256,
            _DONE.subject_digest == subject_digest,
            _DONE.executed_at >= since,
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return StoredExecution(
            version_id=row.version_id,
            suite_id=row.suite_id,
            suite_digest=row.suite_digest,
            dataset_sha256=row.dataset_sha256,
            subject_digest=row.subject_digest,
            outcomes_sha256=row.outcomes_sha256,
            results=row.results,
            tests=tuple(row.tests),
            executed_at=row.executed_at,
        )

    def add_sample(self, suite_id: str, dataset_id: str, by: str, at: datetime) -> int:
        self._connection.execute(select(suites.c.id).where(suites.c.id == suite_id).with_for_update())
        last = select(func.coalesce(func.max(_SAMPLES.number), 0)).where(_SAMPLES.suite_id == suite_id)
        number = int(self._connection.execute(last).scalar_one()) + 1
        with refusing_duplicates(Duplicate("This dataset is a sample of the suite already.")):
            self._connection.execute(
                insert(suite_samples).values(
                    suite_id=suite_id, number=number, dataset_id=dataset_id, created_by=by, created_at=at
                )
            )
        return number

    def sample_number(self, suite_id: str, dataset_id: str) -> int:
        query = select(_SAMPLES.number).where(_SAMPLES.suite_id == suite_id, _SAMPLES.dataset_id == dataset_id)
        number = self._connection.execute(query).scalar_one_or_none()
        if number is None:
            raise NotFound("sample", dataset_id)
        return int(number)

    def newest_sample(self, suite_id: str) -> tuple[str, str, str] | None:
        query = (
            select(datasets.c.id, datasets.c.sha256, datasets.c.format)
            .join(suite_samples, _SAMPLES.dataset_id == datasets.c.id)
            .where(_SAMPLES.suite_id == suite_id)
            .order_by(_SAMPLES.number.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return (row.id, row.sha256, row.format) if row else None


def _pins() -> Select[Any]:
    return select(baselines, versions.c.version.label("named")).join(versions, versions.c.id == _PINS.version_id)


def _baseline(row: Row[Any]) -> Baseline:
    return Baseline(
        id=row.id,
        model_id=row.model_id,
        suite_id=row.suite_id,
        version_id=row.version_id,
        version=row.named,
        suite_digest=row.suite_digest,
        dataset_sha256=row.dataset_sha256,
        outcomes_sha256=row.outcomes_sha256,
        score=row.score,
        request_id=row.request_id,
        pinned_at=row.pinned_at,
        released_at=row.released_at,
    )
