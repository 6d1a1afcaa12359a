"""Expectation suites, validations, drafts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from governance.data_validation.records import FINISHED, DataValidation, ExpectationSuite, Profile
from governance.errors import NotFound
from storage.tables import data_validations, datasets, expectation_profiles, expectation_suites

_VALIDATION = tuple(DataValidation.__dataclass_fields__)


class DataValidationRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_suite(self, suite: ExpectationSuite, by: str, at: datetime) -> None:
        self._connection.execute(
            insert(expectation_suites).values(
                id=suite.id,
                dataset_id=suite.dataset_id,
                number=suite.number,
                expectations=[dict(one) for one in suite.expectations],
                source=dict(suite.source),
                digest=suite.digest,
                created_by=by,
                created_at=at,
            )
        )

    def newest_number(self, dataset_id: str) -> int:
        self._connection.execute(select(datasets.c.id).where(datasets.c.id == dataset_id).with_for_update())
        newest = select(func.max(expectation_suites.c.number)).where(expectation_suites.c.dataset_id == dataset_id)
        return int(self._connection.execute(newest).scalar() or 0)

    def suite(self, dataset_id: str, number: int | None = None) -> ExpectationSuite:
        query = select(expectation_suites).where(expectation_suites.c.dataset_id == dataset_id)
        if number is not None:
            query = query.where(expectation_suites.c.number == number)
        row = self._connection.execute(query.order_by(expectation_suites.c.number.desc()).limit(1)).one_or_none()
        if row is None:
            raise NotFound("expectation suite", str(number) if number is not None else dataset_id)
        return _suite(row)

    def suite_by_id(self, suite_id: str) -> ExpectationSuite:
        query = select(expectation_suites).where(expectation_suites.c.id == suite_id)
        return _suite(self._connection.execute(query).one())

    def add(self, validation: DataValidation, by: str | None, at: datetime) -> None:
        values = {**_values(validation), "requested_by": by, "created_at": at}
        self._connection.execute(insert(data_validations).values(values))

    def get(self, validation_id: str) -> DataValidation:
        query = select(data_validations).where(data_validations.c.id == validation_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("data validation", validation_id)
        return _validation(row)

    def latest(self, suite: ExpectationSuite, dataset_sha256: str) -> DataValidation | None:
        query = (
            select(data_validations)
            .where(
                data_validations.c.dataset_id == suite.dataset_id,
                data_validations.c.number == suite.number,
                data_validations.c.dataset_sha256 == dataset_sha256,
                data_validations.c.status.in_(FINISHED),
            )
            .order_by(data_validations.c.executed_at.desc(), data_validations.c.id.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return _validation(row) if row is not None else None

    def update(self, validation: DataValidation) -> None:
        self._connection.execute(
            update(data_validations).where(data_validations.c.id == validation.id).values(_values(validation))
        )

    def add_profile(self, profile: Profile, by: str, at: datetime) -> None:
        self._connection.execute(
            insert(expectation_profiles).values(
                id=profile.id,
                dataset_id=profile.dataset_id,
                dataset_sha256=profile.dataset_sha256,
                status=profile.status,
                expectations=[],
                requested_by=by,
                created_at=at,
            )
        )

    def profile(self, profile_id: str) -> Profile:
        query = select(expectation_profiles).where(expectation_profiles.c.id == profile_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("profile", profile_id)
        return Profile(
            row.id, row.dataset_id, row.dataset_sha256, row.status, row.reason, tuple(row.expectations), row.rows
        )

    def update_profile(self, profile: Profile, at: datetime) -> None:
        self._connection.execute(
            update(expectation_profiles)
            .where(expectation_profiles.c.id == profile.id)
            .values(
                status=profile.status,
                reason=profile.reason,
                expectations=[dict(one) for one in profile.expectations],
                rows=profile.rows,
                finished_at=at if profile.status in ("done", "error") else None,
            )
        )


def _suite(row: Row[Any]) -> ExpectationSuite:
    return ExpectationSuite(row.id, row.dataset_id, row.number, tuple(row.expectations), row.source, row.digest)


def _values(validation: DataValidation) -> dict[str, Any]:
    values = {name: getattr(validation, name) for name in _VALIDATION}
    return {**values, "source": dict(validation.source), "failures": [dict(one) for one in validation.failures]}


def _validation(row: Row[Any]) -> DataValidation:
    values = {name: getattr(row, name) for name in _VALIDATION}
    return DataValidation(**{**values, "failures": tuple(row.failures)})
