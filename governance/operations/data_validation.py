"""What is expected of a dataset, asking for a validation, and keeping what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from governance.data_validation.expectations import checked_expectations, checked_source, suite_digest
from governance.data_validation.records import FINISHED, DataValidation, ExpectationSuite, Profile
from governance.errors import RevisionMismatch
from governance.operations.calls import Call
from governance.ports import UnitOfWork


def create_expectations(
    uow: UnitOfWork,
    call: Call,
    dataset_id: str,
    expectations: Sequence[Mapping[str, Any]],
    source: Mapping[str, Any] | None = None,
    *,
    after: int | None = None,
) -> ExpectationSuite:
    """The next version of what is expected of a dataset.

    after: the number of the version that the caller has seen, 0 for none; None replaces whatever there is. Raises
    InvalidInput, NotFound, Forbidden, RevisionMismatch.
    """
    person = call.may("dataset:update", "Saying what is expected of a dataset")
    checked, read_from = checked_expectations(expectations), checked_source(source)
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_dataset(dataset_id)
        call.may_with("dataset", dataset_id, rule, "dataset:update", "Saying what is expected of a dataset")
        if known:
            return uow.data_validations.suite_by_id(known)
        newest = uow.data_validations.newest_number(dataset_id)
        if after is not None and after != newest:
            raise RevisionMismatch(
                f"The newest expectations are version {newest}, not {after}; look at them first.",
                details={"newest": newest},
            )
        suite = ExpectationSuite(
            id=call.new_id(),
            dataset_id=dataset_id,
            number=newest + 1,
            expectations=tuple(checked),
            source=read_from,
            digest=suite_digest(checked, read_from),
        )
        uow.data_validations.add_suite(suite, person.id, call.at)
        call.remember(uow, suite.id)
        uow.audit(
            call.event(
                "dataset:expectations:created",
                "dataset",
                dataset_id,
                after={
                    "number": suite.number,
                    "expectations": len(checked),
                    "critical": sum(one["severity"] == "critical" for one in checked),
                    "source": read_from,
                },
                digest=suite.digest,
            )
        )
        uow.commit()
    return suite


def request_validation(uow: UnitOfWork, call: Call, dataset_id: str, number: int | None = None) -> DataValidation:
    """A validation of the dataset against a version of its expectations, the newest one without a number; queued.

    Raises NotFound, also for a dataset without expectations, and Forbidden.
    """
    person = call.may("dataset:update", "Validating a dataset")
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_dataset(dataset_id)
        call.may_with("dataset", dataset_id, rule, "dataset:update", "Validating a dataset")
        if known:
            return uow.data_validations.get(known)
        dataset = uow.evaluations.dataset(dataset_id)
        suite = uow.data_validations.suite(dataset_id, number)
        validation = DataValidation(
            id=call.new_id(),
            dataset_id=dataset_id,
            number=suite.number,
            digest=suite.digest,
            dataset_sha256=dataset.sha256,
            source=suite.source,
            status="queued",
            checked=len(suite.expectations),
            correlation=call.correlation,
        )
        uow.data_validations.add(validation, person.id, call.at)
        call.remember(uow, validation.id)
        uow.audit(
            call.event(
                "dataset:validation:requested",
                "dataset",
                dataset_id,
                after={"validationId": validation.id, "number": suite.number, "status": "queued"},
                digest=suite.digest,
            )
        )
        uow.commit()
    return validation


def request_profile(uow: UnitOfWork, call: Call, dataset_id: str) -> Profile:
    """A first draft of expectations, to be made from the data; queued. Raises NotFound, Forbidden."""
    person = call.may("dataset:update", "Profiling a dataset")
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_dataset(dataset_id)
        call.may_with("dataset", dataset_id, rule, "dataset:update", "Profiling a dataset")
        if known:
            return uow.data_validations.profile(known)
        dataset = uow.evaluations.dataset(dataset_id)
        profile = Profile(call.new_id(), dataset_id, dataset.sha256, "queued")
        uow.data_validations.add_profile(profile, person.id, call.at)
        call.remember(uow, profile.id)
        uow.audit(
            call.event(
                "dataset:profile:requested",
                "dataset",
                dataset_id,
                after={"profileId": profile.id, "status": "queued"},
                digest=f"sha256:{dataset.sha256}",
            )
        )
        uow.commit()
    return profile


def begin_validation(uow: UnitOfWork, validation_id: str) -> tuple[DataValidation, ExpectationSuite]:
    """What is to be run, marked as running. One that ended is returned as it is."""
    with uow:
        validation = uow.data_validations.get(validation_id)
        suite = uow.data_validations.suite(validation.dataset_id, validation.number)
        if validation.status not in FINISHED:
            validation = replace(validation, status="running")
            uow.data_validations.update(validation)
            uow.commit()
    return validation, suite


def keep_validation(uow: UnitOfWork, call: Call, validation: DataValidation, *, asked: bool) -> DataValidation:
    """Write down what was found. asked: somebody requested it, and its row is there; one that ended stays as it is."""
    with uow:
        if asked:
            known = uow.data_validations.get(validation.id)
            if known.status in FINISHED:
                return known
            uow.data_validations.update(validation)
        else:
            uow.data_validations.add(validation, None, call.at)
        uow.audit(
            call.event(
                "dataset:validated",
                "dataset",
                validation.dataset_id,
                after={"validationId": validation.id, **validation.to_json()},
                digest=f"sha256:{validation.dataset_sha256}",
            )
        )
        uow.commit()
    return validation


def begin_profile(uow: UnitOfWork, call: Call, profile_id: str) -> Profile:
    with uow:
        profile = uow.data_validations.profile(profile_id)
        if profile.status in ("queued", "running"):
            profile = replace(profile, status="running")
            uow.data_validations.update_profile(profile, call.at)
            uow.commit()
    return profile


def keep_profile(uow: UnitOfWork, call: Call, profile: Profile) -> None:
    """Write down the draft; one that is there stays as it is."""
    with uow:
        if uow.data_validations.profile(profile.id).status in ("done", "error"):
            return
        uow.data_validations.update_profile(profile, call.at)
        uow.audit(
            call.event(
                "dataset:profiled",
                "dataset",
                profile.dataset_id,
                after={"profileId": profile.id, "status": profile.status, "expectations": len(profile.expectations)},
                digest=f"sha256:{profile.dataset_sha256}",
            )
        )
        uow.commit()
