"""Validating and profiling datasets of the registry. A `DataValidator` keeps the library loaded between datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from flows.data_validation.process import GxProcess
from flows.evaluation.job import Limits
from flows.evaluation.sandbox import Answer, Broken
from governance.artifact_store import BlobMissing
from governance.data_validation.expectations import columns_of
from governance.data_validation.findings import sentence
from governance.data_validation.records import DataValidation, ExpectationSuite, Profile
from governance.evaluations import Dataset
from governance.operations.data_validation import keep_validation
from governance.policies.data_validation import needs_validation
from storage.composition import Platform, new_id
from storage.data_connections import connection_url


class _Unusable(Exception):
    """The data cannot be had; the message says why."""


class DataValidator:
    """Not for several threads at once. Close it, or use it in a `with`, to end its process.

    Loading the library takes 5 to 12 s, once; then a frame of 100,000 x 20 takes about 0.1 s of processor time.
    """

    def __init__(self, platform: Platform, limits: Limits | None = None) -> None:
        settings = platform.settings
        seconds = settings.validation_seconds
        self._platform = platform
        self._limits = limits or Limits(
            memory=settings.evaluation_memory, cpu_seconds=seconds, wall_seconds=float(seconds)
        )
        self.process = GxProcess(self._limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.process.close()

    def check(self, dataset: Dataset, suite: ExpectationSuite, *, correlation: str | None = None) -> DataValidation:
        """What the suite finds; nothing is written down. Raises StoreUnavailable and DependencyUnavailable only."""
        found = DataValidation(
            id=new_id(),
            dataset_id=dataset.id,
            number=suite.number,
            digest=suite.digest,
            dataset_sha256=dataset.sha256,
            source=suite.source,
            status="error",
            checked=len(suite.expectations),
            executed_at=self._platform.system_call().at,
            correlation=correlation,
        )
        job = {"op": "validate", "expectations": list(suite.expectations), "showValues": self._shows_values(dataset)}
        answer = self._asked(job, dataset, suite.source)
        if isinstance(answer, Broken):
            return replace(found, reason=answer.reason)
        try:
            return _found(found, suite, answer)
        except (KeyError, TypeError, ValueError, IndexError):
            return replace(found, reason="The validation left a result that cannot be used.")

    def validate(self, dataset: Dataset, suite: ExpectationSuite, *, correlation: str | None = None) -> DataValidation:
        """The same, written down and audited in a transaction of its own."""
        found = self.check(dataset, suite, correlation=correlation)
        call = self._platform.system_call(correlation)
        return keep_validation(self._platform.new_unit(), call, found, asked=False)

    def profile(self, dataset: Dataset) -> tuple[list[dict[str, Any]], int] | Broken:
        """(a draft of expectations that holds for the dataset's own content, how many rows it has)."""
        job = {"op": "profile", "showValues": self._shows_values(dataset)}
        answer = self._asked(job, dataset, {"kind": "artifact"})
        if isinstance(answer, Broken):
            return answer
        return list(answer.value["expectations"]), int(answer.value["rows"])

    def _asked(self, job: Mapping[str, Any], dataset: Dataset, source: Mapping[str, Any]) -> Answer | Broken:
        try:
            with self._opened(dataset, source) as opened:
                return self.process.ask({**job, "source": opened})
        except _Unusable as unusable:
            return Broken("dataset", str(unusable))

    @contextmanager
    def _opened(self, dataset: Dataset, source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The source as the process reads it, with the address and its password if it is a database."""
        if source["kind"] == "postgresql":
            url = connection_url(self._platform.settings, source["connection"], dataset.group)
            if url is None:
                raise _Unusable(f"The worker has no data connection {source['connection']!r} for this dataset's group.")
            seconds = max(1.0, self._limits.wall_seconds * 0.8)  # so that the database answers before we stop waiting
            place = {"schema": source["schema"], "table": source["table"]}
            yield {"kind": "postgresql", "url": url, "seconds": seconds, **place}
            return
        if dataset.size > self._limits.dataset_bytes:
            raise _Unusable(f"The dataset has {dataset.size} bytes; at most {self._limits.dataset_bytes} are allowed.")
        try:
            with self._platform.store.local_path(dataset.sha256) as path:
                yield {"kind": dataset.format, "path": str(path.resolve())}
        except BlobMissing:
            raise _Unusable("The content of the dataset is gone from storage.") from None

    def _shows_values(self, dataset: Dataset) -> bool:
        with self._platform.new_unit() as uow:
            return not uow.access.of_dataset(dataset.id).sensitive


def _found(found: DataValidation, suite: ExpectationSuite, answer: Answer) -> DataValidation:
    """With what the process says. What was expected is taken from the suite, not from what has read foreign data."""
    failures = []
    for one in answer.value["failures"]:
        expectation = suite.expectations[int(one["number"]) - 1]
        failure = {
            "number": int(one["number"]),
            **expectation,
            "columns": [name for name in columns_of(expectation) if not one["absent"] or name in one["columns"]],
            **{name: one[name] for name in ("absent", "elements", "unexpected", "missing", "observed", "examples")},
        }
        failures.append({**failure, "sentence": sentence(failure)})
    uncomputed = [suite.expectations[int(number)] for number in answer.value["uncomputed"]]
    critical = any(one["severity"] == "critical" for one in failures)
    reason = None
    if uncomputed:
        kinds = ", ".join(dict.fromkeys(one["type"] for one in uncomputed))
        reason = f"{len(uncomputed)} expectation(s) cannot be computed on these data: {kinds[:300]}."
    return replace(
        found,
        status="failed" if critical else "error" if uncomputed else "passed",
        reason=reason,
        failures=tuple(failures),
        rows=int(answer.value["rows"]),
        seconds=round(answer.seconds, 3),
    )


def validate_subject(platform: Platform, subject: Mapping[str, Any], *, correlation: str) -> None:
    """Validate what the facts of a request say nothing about yet (`governance.evidence`), each dataset once."""
    wanted = {one["datasetId"]: one["expectations"]["number"] for one in needs_validation(subject)}
    with DataValidator(platform) as validator:
        for dataset_id, number in wanted.items():
            with platform.new_unit() as uow:
                dataset, suite = uow.evaluations.dataset(dataset_id), uow.data_validations.suite(dataset_id, number)
            validator.validate(dataset, suite, correlation=correlation)


def carry_out_validation(platform: Platform, validation: DataValidation, suite: ExpectationSuite) -> DataValidation:
    """A validation that somebody asked for, with what was found."""
    with platform.new_unit() as uow:
        dataset = uow.evaluations.dataset(validation.dataset_id)
    with DataValidator(platform) as validator:
        found = validator.check(dataset, suite, correlation=validation.correlation)
    return replace(found, id=validation.id)


def carry_out_profile(platform: Platform, profile: Profile) -> Profile:
    with platform.new_unit() as uow:
        dataset = uow.evaluations.dataset(profile.dataset_id)
    with DataValidator(platform) as validator:
        found = validator.profile(dataset)
    if isinstance(found, Broken):
        return replace(profile, status="error", reason=found.reason)
    return replace(profile, status="done", expectations=tuple(found[0]), rows=found[1])
