"""What a suite must be to be made: its kind, task, data, metrics and limits fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from governance.errors import InvalidInput
from governance.suites.catalogue import METRICS, SuiteKind, TaskType
from governance.suites.definition import Frame, checked_definition, computed_metrics, is_computed


def checked_suite(
    task_type: str,
    metrics: Sequence[str],
    thresholds: Mapping[str, Mapping[str, float]],
    margin: float,
    *,
    kind: str = SuiteKind.REGRESSION,
    definition: Mapping[str, Any] | None = None,
    dataset_id: str | None,
    target: str | None,
    features: Sequence[str] | None = None,
) -> tuple[SuiteKind, TaskType, dict[str, Any]]:
    """(kind, task, the definition as it is kept). Raises InvalidInput, with the field in `details`."""
    try:
        task = TaskType(task_type)
    except ValueError:
        raise InvalidInput(f"taskType must be one of {', '.join(TaskType)}.", details={"field": "taskType"}) from None
    try:
        of_kind = SuiteKind(kind)
    except ValueError:
        raise InvalidInput(f"kind must be one of {', '.join(SuiteKind)}.", details={"field": "kind"}) from None
    _check_data(task, dataset_id, target, features)
    unknown = sorted(set(metrics) - METRICS[task])
    if unknown or not (metrics or definition):
        raise InvalidInput(
            f"metrics must name one or more of {', '.join(sorted(METRICS[task]))}.",
            details={"field": "metrics", "unknown": unknown},
        )
    if metrics and dataset_id is None and task is not TaskType.TEXT:
        raise InvalidInput("metrics need a dataset; a suite of rows has cases alone.", details={"field": "datasetId"})
    frame = Frame(of_kind, task, frozenset(metrics), features, target, dataset_id is not None)
    checked = checked_definition(definition or {}, frame)
    _check_thresholds(thresholds, metrics, checked)
    if not 0 < margin <= 1:
        raise InvalidInput("margin must be above 0 and at most 1.", details={"field": "margin"})
    return of_kind, task, checked


def _check_data(task: TaskType, dataset_id: str | None, target: str | None, features: Sequence[str] | None) -> None:
    if task is TaskType.TEXT:
        given = {"datasetId": dataset_id, "target": target, "features": features}
        for field, value in given.items():
            if value is not None:
                raise InvalidInput("A suite of prompts has no dataset.", details={"field": field})
    elif (dataset_id is None) != (target is None):
        field = "target" if target is None else "datasetId"
        raise InvalidInput("A dataset and its target column come together.", details={"field": field})


def _check_thresholds(
    thresholds: Mapping[str, Mapping[str, float]], metrics: Sequence[str], definition: Mapping[str, Any]
) -> None:
    deciding = definition.get("cases") and definition.get("casesDecide", True)
    if not thresholds and not deciding and not definition.get("sliceThresholds"):
        raise InvalidInput("A suite without a threshold would let anything pass.", details={"field": "thresholds"})
    computed = computed_metrics(metrics, definition)
    for name, limits in thresholds.items():
        if not is_computed(name, computed):
            raise InvalidInput(f"There is a threshold for {name!r}, which is not computed.", details={"field": name})
        if not limits or set(limits) - {"min", "max"} or not all(math.isfinite(v) for v in limits.values()):
            raise InvalidInput(
                f"The threshold of {name!r} is an object with min, max or both.", details={"field": name}
            )
        if limits.get("min", -math.inf) > limits.get("max", math.inf):
            raise InvalidInput(f"Nothing lies within the threshold of {name!r}.", details={"field": name})
