"""Datasets and suites: what versions are evaluated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.errors import InvalidInput
from governance.evaluations import Dataset, Suite
from governance.models import checked_name, checked_sha256, checked_text
from governance.operations.calls import Call
from governance.operations.registry import new_rule
from governance.ports import UnitOfWork
from governance.suites.catalogue import SuiteKind
from governance.suites.checking import checked_suite


@dataclass(frozen=True, slots=True)
class NewSuite:
    model_id: str
    name: str
    dataset_id: str | None
    task_type: str
    target: str | None
    features: Sequence[str] | None
    metrics: Sequence[str]
    thresholds: Mapping[str, Mapping[str, float]]
    margin: float
    positive_label: str | None
    kind: str = SuiteKind.REGRESSION
    definition: Mapping[str, Any] = field(default_factory=dict)


def check_dataset(
    uow: UnitOfWork, call: Call, name: str, group: str, kind: str, access: Mapping[str, Any] | None = None
) -> None:
    """The refusals of `create_dataset` that need no bytes."""
    _check(call, name, group, kind)
    with uow:
        call.may("dataset:create", f"Creating a dataset in {group}", new_rule(uow, call, group, access or {}))


def _check(call: Call, name: str, group: str, kind: str) -> None:
    call.may("dataset:create", "Creating a dataset")
    checked_name("name", name)
    checked_name("group", group)
    if kind not in ("parquet", "csv"):
        raise InvalidInput("format is 'parquet' or 'csv'.", details={"field": "format"})


def create_dataset(
    uow: UnitOfWork,
    call: Call,
    *,
    name: str,
    group: str,
    kind: str,
    sha256: str,
    size: int,
    access: Mapping[str, Any] | None = None,
) -> str:
    """The id of a dataset whose bytes are in the store. Raises Duplicate, InvalidInput, Forbidden."""
    _check(call, name, group, kind)
    dataset = Dataset(call.new_id(), name, group, kind, checked_sha256("sha256", sha256), size)
    with uow:
        if known := call.repeated(uow):
            call.may("dataset:create", f"Creating a dataset in {group}", uow.access.of_dataset(known))
            return known
        rule = new_rule(uow, call, group, access or {})
        call.may("dataset:create", f"Creating a dataset in {group}", rule)
        uow.evaluations.add_dataset(dataset, uow.access.intern(rule), call.person.id, call.at)
        call.remember(uow, dataset.id)
        uow.audit(
            call.event(
                "dataset:created",
                "dataset",
                dataset.id,
                after={"name": name, "group": group, "format": kind, "size": size, "access": rule.to_json()},
                digest=f"sha256:{sha256}",
            )
        )
        uow.commit()
    return dataset.id


def create_suite(uow: UnitOfWork, call: Call, new: NewSuite) -> str:
    """The id of the suite. Raises Duplicate, NotFound, InvalidInput, Forbidden."""
    person = call.may("model:evaluate", "Creating an evaluation suite")
    kind, task, definition = checked_suite(
        new.task_type,
        list(new.metrics),
        new.thresholds,
        new.margin,
        kind=new.kind,
        definition=new.definition,
        dataset_id=new.dataset_id,
        target=new.target,
        features=new.features,
    )
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_model(new.model_id)
        call.may_with("model", new.model_id, rule, "model:evaluate", "Creating an evaluation suite")
        if known:
            return known
        dataset = _readable_dataset(uow, call, new.dataset_id)
        suite = Suite(
            id=call.new_id(),
            model_id=new.model_id,
            name=checked_name("name", new.name),
            dataset_id=dataset.id if dataset else None,
            dataset_sha256=dataset.sha256 if dataset else None,
            dataset_format=dataset.format if dataset else None,
            task_type=task,
            target=checked_text("target", new.target, limit=200) if new.target is not None else None,
            features=tuple(checked_text("features", f, limit=200) for f in new.features) if new.features else None,
            metrics=tuple(sorted(set(new.metrics))),
            thresholds={name: dict(limits) for name, limits in new.thresholds.items()},
            margin=new.margin,
            positive_label=checked_text("positiveLabel", new.positive_label, limit=200)
            if new.positive_label is not None
            else None,
            kind=kind,
            definition=definition,
        )
        if len(set(suite.test_ids)) < len(suite.test_ids):
            raise InvalidInput(
                "A case has the id of a threshold, which is the suite's name, a dot and the metric.",
                details={"field": "definition.cases"},
            )
        uow.evaluations.add_suite(suite, person.id, call.at)
        call.remember(uow, suite.id)
        uow.audit(call.event("suite:created", "suite", suite.id, after=_suite_json(suite), digest=suite.digest))
        uow.commit()
    return suite.id


def _readable_dataset(uow: UnitOfWork, call: Call, dataset_id: str | None) -> Dataset | None:
    if dataset_id is None:
        return None
    call.may_with("dataset", dataset_id, uow.access.of_dataset(dataset_id), "dataset:read", "Evaluating on a dataset")
    return uow.evaluations.dataset(dataset_id)


def _suite_json(suite: Suite) -> dict[str, Any]:
    return {
        "modelId": suite.model_id,
        "name": suite.name,
        "datasetId": suite.dataset_id,
        "taskType": suite.task_type.value,
        "metrics": list(suite.metrics),
        "thresholds": {name: dict(limits) for name, limits in suite.thresholds.items()},
        "margin": suite.margin,
        "kind": suite.kind.value,
        "definition": sorted(suite.definition),  # the names of its parts; the digest covers what they say
    }
