"""Datasets, suites, evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from governance.errors import Duplicate, NotFound
from governance.evaluations import Dataset, Evaluation, EvaluationStatus, Suite
from governance.suites.catalogue import SuiteKind, TaskType
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import datasets, evaluations, suites

_PENDING = evaluations.c.status.in_([EvaluationStatus.QUEUED.value, EvaluationStatus.RUNNING.value])


class EvaluationRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_dataset(self, dataset: Dataset, access_id: int, created_by: str, at: datetime) -> None:
        duplicate = Duplicate(
            f"Group {dataset.group!r} has a dataset named {dataset.name!r} already.",
            details={"group": dataset.group, "name": dataset.name},
        )
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(datasets).values(
                    id=dataset.id,
                    name=dataset.name,
                    group=dataset.group,
                    format=dataset.format,
                    sha256=dataset.sha256,
                    size=dataset.size,
                    access_id=access_id,
                    created_by=created_by,
                    created_at=at,
                )
            )

    def dataset(self, dataset_id: str) -> Dataset:
        row = self._connection.execute(select(datasets).where(datasets.c.id == dataset_id)).one_or_none()
        if row is None:
            raise NotFound("dataset", dataset_id)
        return Dataset(row.id, row.name, row.group, row.format, row.sha256, row.size)

    def add_suite(self, suite: Suite, created_by: str, at: datetime) -> None:
        duplicate = Duplicate(f"The model has a suite named {suite.name!r} already.", details={"name": suite.name})
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(suites).values(
                    id=suite.id,
                    model_id=suite.model_id,
                    name=suite.name,
                    dataset_id=suite.dataset_id,
                    task_type=suite.task_type.value,
                    target=suite.target,
                    features=list(suite.features) if suite.features is not None else None,
                    metrics=list(suite.metrics),
                    thresholds={name: dict(limits) for name, limits in suite.thresholds.items()},
                    margin=suite.margin,
                    positive_label=suite.positive_label,
                    digest=suite.digest,
                    kind=suite.kind.value,
                    definition=dict(suite.definition),
                    created_by=created_by,
                    created_at=at,
                )
            )

    def suite(self, suite_id: str) -> Suite:
        found = self._suites(suites.c.id == suite_id)
        if not found:
            raise NotFound("evaluation suite", suite_id)
        return found[0]

    def suites_of_model(self, model_id: str) -> tuple[Suite, ...]:
        return self._suites(suites.c.model_id == model_id)

    def _suites(self, condition: Any) -> tuple[Suite, ...]:
        query = (
            select(suites, datasets.c.sha256, datasets.c.format)
            .outerjoin(datasets, datasets.c.id == suites.c.dataset_id)
            .where(condition)
            .order_by(suites.c.id)
        )
        return tuple(_suite(row) for row in self._connection.execute(query))

    def queue(self, evaluation: Evaluation, thresholds: Mapping[str, Any], at: datetime) -> None:
        self._connection.execute(
            insert(evaluations).values(
                id=evaluation.id,
                version_id=evaluation.version_id,
                suite_id=evaluation.suite_id,
                request_id=evaluation.request_id,
                status=evaluation.status.value,
                thresholds={name: dict(limits) for name, limits in thresholds.items()},
                created_at=at,
            )
        )

    def of_request(self, request_id: str) -> tuple[Evaluation, ...]:
        query = select(evaluations).where(evaluations.c.request_id == request_id).order_by(evaluations.c.id)
        return tuple(_evaluation(row) for row in self._connection.execute(query))

    def latest(self, version_id: str, suite_id: str) -> Evaluation | None:
        query = (
            select(evaluations)
            .where(
                evaluations.c.version_id == version_id,
                evaluations.c.suite_id == suite_id,
                evaluations.c.status == EvaluationStatus.COMPLETED.value,
            )
            .order_by(evaluations.c.executed_at.desc(), evaluations.c.id.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return _evaluation(row) if row else None

    def set_running(self, request_id: str) -> None:
        self._connection.execute(
            update(evaluations)
            .where(evaluations.c.request_id == request_id, _PENDING)
            .values(status=EvaluationStatus.RUNNING.value)
        )

    def store(self, evaluation: Evaluation, at: datetime) -> None:
        self._connection.execute(
            update(evaluations)
            .where(evaluations.c.id == evaluation.id, _PENDING)
            .values(
                status=evaluation.status.value,
                reason=evaluation.reason,
                weights_sha256=evaluation.weights_sha256,
                endpoint_digest=evaluation.endpoint_digest,
                outcomes_sha256=evaluation.outcomes_sha256,
                results=dict(evaluation.results) if evaluation.results is not None else None,
                passed=evaluation.passed,
                executed_at=at,
            )
        )

    def fail(self, evaluation_id: str, reason: str, at: datetime) -> None:
        self._connection.execute(
            update(evaluations)
            .where(evaluations.c.id == evaluation_id, _PENDING)
            .values(status=EvaluationStatus.FAILED.value, reason=reason, passed=False, executed_at=at)
        )


def _suite(row: Row[Any]) -> Suite:
    return Suite(
        id=row.id,
        model_id=row.model_id,
        name=row.name,
        dataset_id=row.dataset_id,
        dataset_sha256=row.sha256,
        dataset_format=row.format,
        task_type=TaskType(row.task_type),
        target=row.target,
        features=tuple(row.features) if row.features is not None else None,
        metrics=tuple(row.metrics),
        thresholds=row.thresholds,
        margin=row.margin,
        positive_label=row.positive_label,
        kind=SuiteKind(row.kind),
        definition=row.definition,
    )


def _evaluation(row: Row[Any]) -> Evaluation:
    return Evaluation(
        id=row.id,
        version_id=row.version_id,
        suite_id=row.suite_id,
        request_id=row.request_id,
        status=EvaluationStatus(row.status),
        reason=row.reason,
        weights_sha256=row.weights_sha256,
        outcomes_sha256=row.outcomes_sha256,
        results=row.results,
        passed=row.passed,
        endpoint_digest=row.endpoint_digest,
    )
