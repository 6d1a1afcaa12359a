"""Pinning what later versions, and later nights, are held against; and newer samples of a suite's examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.errors import InvalidInput
from governance.evaluations import Suite
from governance.models import ModelVersion
from governance.operations.calls import Call
from governance.ports import UnitOfWork
from governance.suites.catalogue import LOWER_IS_BETTER
from governance.validation.baselines import Baseline


def pin_promoted(uow: UnitOfWork, call: Call, version: ModelVersion, request_id: str | None) -> None:
    """In the transaction that brings the version into production: each suite's pin becomes what the version answered
    in its last evaluation; after a rollback the one that it was promoted with, or a later one. A suite that brings its
    own few examples has nothing to compare by.
    """
    for suite in uow.evaluations.suites_of_model(version.model_id):
        found = uow.evaluations.latest(version.id, suite.id)
        if found is not None and found.outcomes_sha256 is not None and suite.dataset_sha256 is not None:
            pin(uow, call, version, suite, found.outcomes_sha256, found.results, request_id)


def pin(
    uow: UnitOfWork,
    call: Call,
    version: ModelVersion,
    suite: Suite,
    outcomes_sha256: str,
    results: Mapping[str, Any] | None,
    request_id: str | None,
) -> Baseline:
    """In the caller's transaction. The outcomes and results are those of the version on the suite's own examples."""
    before = uow.baselines.pinned(suite.id)
    assert suite.dataset_sha256 is not None  # noqa: S101  (what has outcomes has examples)
    baseline = Baseline(
        id=call.new_id(),
        model_id=version.model_id,
        suite_id=suite.id,
        version_id=version.id,
        version=version.version,
        suite_digest=suite.digest,
        dataset_sha256=suite.dataset_sha256,
        outcomes_sha256=outcomes_sha256,
        score=score_of(results),
        request_id=request_id,
        pinned_at=call.at,
    )
    uow.baselines.pin(baseline)
    uow.audit(
        call.event(
            "baseline:pinned",
            "suite",
            suite.id,
            before={"versionId": before.version_id, "outcomes": before.outcomes_sha256} if before else None,
            after={"versionId": version.id, "outcomes": baseline.outcomes_sha256, "score": baseline.score},
            digest=f"sha256:{baseline.outcomes_sha256}",
            requestId=request_id,
        )
    )
    return baseline


# By which metric two versions are ranked where one number has to do: the first of these that was computed.
_SCORES = ("accuracy", "balanced_accuracy", "root_mean_squared_error", "mean_absolute_error", "log_loss")


def score_of(results: Mapping[str, Any] | None) -> float | None:
    """One number of an evaluation's results to rank versions by, None when it has none of those."""
    metrics = (results or {}).get("taskMetrics") or {}
    return next((float(metrics[name]) for name in _SCORES if name in metrics), None)


def lower_is_better(results: Mapping[str, Any] | None) -> bool:
    """Whether `score_of` of these results is a loss."""
    metrics = (results or {}).get("taskMetrics") or {}
    return next((name in LOWER_IS_BETTER for name in _SCORES if name in metrics), False)


def add_sample(uow: UnitOfWork, call: Call, *, suite_id: str, dataset_id: str) -> int:
    """Newer examples of what the suite is about; from now on validation runs use them. The number of the sample.

    Raises NotFound, Forbidden, Duplicate, InvalidInput.
    """
    doing = "Giving a suite a newer sample"
    person = call.may("model:evaluate", doing)
    with uow:
        suite = uow.evaluations.suite(suite_id)
        rule = uow.access.of_model(suite.model_id)
        call.may_with("model", suite.model_id, rule, "model:evaluate", doing)
        data_rule = uow.access.of_dataset(dataset_id)
        call.may_with("dataset", dataset_id, data_rule, "dataset:read", doing)
        dataset = uow.evaluations.dataset(dataset_id)
        if suite.dataset_id is None:
            raise InvalidInput(
                "This suite brings its own examples; it takes no sample.", details={"field": "datasetId"}
            )
        if call.repeated(uow) is not None:
            return uow.baselines.sample_number(suite.id, dataset.id)
        number = uow.baselines.add_sample(suite.id, dataset.id, person.id, call.at)
        call.remember(uow, dataset.id)
        after = {"datasetId": dataset.id, "number": number, "modelId": suite.model_id}
        uow.audit(call.event("suite:sampled", "suite", suite.id, after=after, digest=f"sha256:{dataset.sha256}"))
        uow.commit()
    return number
