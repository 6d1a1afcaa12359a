"""What is expected of the examples that a suite judges by, checked before anybody believes the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from flows.data_validation.validator import DataValidator
from governance.data_validation.records import DataValidation, ExpectationSuite
from governance.errors import NotFound
from governance.evaluations import Dataset, Suite
from storage.composition import Platform, now

# Of content that never changes the first answer stands; a table in a database is looked at every night.
TABLE_GOOD_FOR = timedelta(hours=12)


class Examples:
    """Checks datasets, and keeps Great Expectations loaded between them: one object for a whole batch."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._validator: DataValidator | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._validator is not None:
            self._validator.close()

    def checked(self, suites: Sequence[Suite]) -> list[dict[str, Any]]:
        """One item a dataset that somebody expects something of: {"dataset_id", "dataset", "status", "reason",
        "failures"}. Raises StoreUnavailable and DependencyUnavailable.
        """
        found: dict[str, dict[str, Any]] = {}
        for suite in suites:
            for dataset, expected in self._expected(suite):
                if dataset.id not in found:
                    found[dataset.id] = _told(dataset, self._checked(dataset, expected))
        return list(found.values())

    def _expected(self, suite: Suite) -> list[tuple[Dataset, ExpectationSuite]]:
        """The suite's dataset and its newest sample. A sample of which nobody expects anything else has to meet what is
        expected of the dataset that it stands for.
        """
        if suite.dataset_id is None:
            return []
        found = []
        with self._platform.new_unit() as uow:
            own = uow.evaluations.dataset(suite.dataset_id)
            newest = uow.baselines.newest_sample(suite.id)
            sample = uow.evaluations.dataset(newest[0]) if newest else None
            inherited: ExpectationSuite | None = None
            for dataset in (own, sample):
                if dataset is None:
                    continue
                with suppress(NotFound):
                    inherited = uow.data_validations.suite(dataset.id)
                if inherited is not None:
                    found.append((dataset, inherited))
        return found

    def _checked(self, dataset: Dataset, expected: ExpectationSuite) -> DataValidation:
        with self._platform.new_unit() as uow:
            known = uow.data_validations.latest(expected, dataset.sha256)
        if known is not None and known.status != "error" and _still_holds(expected, known):
            return known
        if self._validator is None:
            self._validator = DataValidator(self._platform)
        if expected.dataset_id == dataset.id:
            return self._validator.validate(dataset, expected)
        return self._validator.check(dataset, replace(expected, dataset_id=dataset.id))


def tests_of(checked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As tests of a run, without a figure or a name: who sees a model's runs may not see its data. A warning that does
    not hold fails nothing.
    """
    outcomes = {"passed": "passed", "failed": "failed"}
    return [
        {
            "id": f"data.{item['dataset_id']}",
            "title": "Data",
            "outcome": outcomes.get(item["status"], "error"),
            "reason": _in_brief(item),
            "suite_id": None,
            "suite": None,
            "dataset_id": item["dataset_id"],
        }
        for item in checked
    ]


def _in_brief(item: Mapping[str, Any]) -> str | None:
    if item["status"] == "passed":
        return None
    if item["status"] == "failed":
        return f"{item['critical']} of {item['checked']} expectations do not hold"
    return "the expectations could not be checked"


def _still_holds(expected: ExpectationSuite, known: DataValidation) -> bool:
    if expected.source.get("kind") == "artifact":
        return True
    return known.executed_at is not None and now() - known.executed_at < TABLE_GOOD_FOR


def _told(dataset: Dataset, found: DataValidation) -> dict[str, Any]:
    sentences = [str(one["sentence"]) for one in found.failures]
    critical = [str(one["sentence"]) for one in found.failures if one["severity"] == "critical"]
    return {
        "dataset_id": dataset.id,
        "dataset": dataset.name,
        "status": found.status,
        "reason": found.reason or "; ".join(critical[:5]) or None,
        "failures": sentences[:50],
        "critical": len(critical),
        "checked": found.checked,
        "rows": found.rows,
    }
