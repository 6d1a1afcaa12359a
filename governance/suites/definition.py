"""The definition of a suite: the part of it that is data beyond one table of thresholds. Checked when it is made.

{"cases": [...], "slices": [column], "groups": {"columns": [column], "favourableLabel", "reference": {column: value}},
 "bias": [metric], "robustness": {"metrics": [...], "perturbations": [{"name", "kind", "strength", "columns"}], "seed"},
 "safety": [metric], "performance": {"metrics": [...], "calls", "batch"}, "margins": {metric: x},
 "sliceThresholds": {metric: {"<column>" or "<column>=<value>": limits}}, "minimumPrecision": {metric: half-width},
 "minimumExamples": n, "casesDecide": bool, "refusalPhrases": [text]}

Every part may be left out. A slice threshold on a column holds for each of its values. Every case has to pass, unless
`casesDecide` is false: then the cases are a sample, of prompts for example, and only thresholds on rates decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.canonical import canonical_bytes
from governance.errors import InvalidInput
from governance.suites import catalogue
from governance.suites.catalogue import SuiteKind, TaskType
from governance.suites.checked_cases import checked_cases
from governance.suites.shapes import (
    limits_of,
    list_of,
    mapping_of,
    names_of,
    number_of,
    object_of,
    refused,
    text_of,
    texts_of,
    whole_of,
)

SIZE_LIMIT = 1024 * 1024  # bytes of canonical JSON
MOST_COLUMNS = 20
MOST_PERTURBATIONS = 20
SEED = 20_180_401
CALLS, BATCH = 100, 1000


@dataclass(frozen=True, slots=True)
class Frame:
    """What the parts of a definition are checked against. metrics: of the task, as the suite names them."""

    kind: SuiteKind
    task: TaskType
    metrics: Collection[str]
    features: Sequence[str] | None
    target: str | None
    has_dataset: bool


def checked_definition(definition: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    """The definition with its defaults written out. Raises InvalidInput, with the field in `details`."""
    object_of("definition", definition, _PARTS)
    if len(canonical_bytes(_plain(definition))) > SIZE_LIMIT:
        raise refused("definition", f"may have at most {SIZE_LIMIT} bytes.")
    found: dict[str, Any] = {}
    for part, check in _PARTS.items():
        if part in definition:
            found[part] = check(definition[part], frame, found)
    _check_together(found, frame)
    return found


def computed_metrics(metrics: Collection[str], definition: Mapping[str, Any]) -> frozenset[str]:
    """The names of all metrics that a suite computes, without the parts of them ("flip_rate.<perturbation>")."""
    parts = [definition.get(part) for part in ("bias", "safety")]
    parts += [(definition.get(part) or {}).get("metrics") for part in ("robustness", "performance")]
    found = frozenset(metrics).union(*(part for part in parts if part))
    return found | {catalogue.SELECTION_RATE} if definition.get("bias") else found


def is_computed(metric: str, computed: Collection[str]) -> bool:
    """Whether a threshold may name it: a metric, or one part of a metric after a dot."""
    base, dot, part = metric.partition(".")
    if base == catalogue.SELECTION_RATE:
        return base in computed and bool(part)
    return base in computed and (not dot or bool(part))


def _cases(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    if not frame.has_dataset and frame.task is not TaskType.TEXT and frame.features is None:
        raise refused("features", "have to be named, in the model's order, where there is no dataset to tell them.")
    return checked_cases(value, frame.task, frame.features, has_dataset=frame.has_dataset)


def _columns(field: str, value: Any, frame: Frame) -> list[str]:
    if not frame.has_dataset:
        raise refused(field, "needs a dataset.")
    columns = texts_of(field, value, MOST_COLUMNS)
    for column in columns:
        if "=" in column or column == frame.target:
            raise refused(field, f"cannot be by {column!r}: it holds '=' or is the target.")
    return columns


def _slices(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    return _columns("definition.slices", value, frame)


def _groups(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    field = "definition.groups"
    given = object_of(field, value, ("columns", "favourableLabel", "reference"), ("columns", "favourableLabel"))
    columns = _columns(f"{field}.columns", given["columns"], frame)
    groups: dict[str, Any] = {
        "columns": columns,
        "favourableLabel": text_of(f"{field}.favourableLabel", given["favourableLabel"]),
    }
    if "reference" in given:
        reference = mapping_of(f"{field}.reference", given["reference"], MOST_COLUMNS)
        if strange := sorted(set(reference) - set(columns)):
            raise refused(f"{field}.reference", f"names {strange[0]!r}, which is none of the columns.")
        groups["reference"] = {c: text_of(f"{field}.reference.{c}", v) for c, v in reference.items()}
    return groups


def _bias(value: Any, frame: Frame, found: Mapping[str, Any]) -> Any:
    if frame.task not in (TaskType.BINARY, TaskType.MULTICLASS):
        raise refused("definition.bias", "is measured for classification.")
    if "groups" not in found:
        raise refused("definition.groups", "has to name the sensitive columns and the favourable label.")
    return names_of("definition.bias", value, catalogue.BIAS_METRICS)


def _robustness(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    field = "definition.robustness"
    given = object_of(field, value, ("metrics", "perturbations", "seed"), ("metrics", "perturbations"))
    if not frame.has_dataset:
        raise refused(field, "needs a dataset.")
    metrics = names_of(f"{field}.metrics", given["metrics"], catalogue.ROBUSTNESS_METRICS[frame.task])
    perturbations = []
    for number, item in enumerate(list_of(f"{field}.perturbations", given["perturbations"], MOST_PERTURBATIONS)):
        perturbations.append(_perturbation(f"{field}.perturbations[{number}]", item, frame))
    if len({item["name"] for item in perturbations}) < len(perturbations):
        raise refused(f"{field}.perturbations", "have two of one name; give each its own.")
    seed = whole_of(f"{field}.seed", given.get("seed", SEED), 0, 2**32 - 1)
    return {"metrics": metrics, "perturbations": perturbations, "seed": seed}


def _perturbation(field: str, value: Any, frame: Frame) -> dict[str, Any]:
    given = object_of(field, value, ("name", "kind", "strength", "columns"), ("kind", "strength"))
    kind = given["kind"]
    if kind not in catalogue.PERTURBATIONS:
        raise refused(f"{field}.kind", f"is one of {', '.join(catalogue.PERTURBATIONS)}.")
    share = kind in ("missing", "swap")  # of the cells; else a factor
    strength = number_of(f"{field}.strength", given["strength"], 0.0 if share else -10.0, 1.0 if share else 10.0)
    if strength == 0:
        raise refused(f"{field}.strength", "of 0 changes nothing.")
    name = text_of(f"{field}.name", given.get("name", kind), 50)
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in name):
        raise refused(f"{field}.name", "holds letters, digits, dashes and underscores.")
    found = {"name": name, "kind": kind, "strength": strength}
    if "columns" in given:
        found["columns"] = texts_of(f"{field}.columns", given["columns"], 1000)
        if frame.features is not None and (strange := sorted(set(found["columns"]) - set(frame.features))):
            raise refused(f"{field}.columns", f"names {strange[0]!r}, which is none of the features.")
    return found


def _safety(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    field = "definition.safety"
    if frame.task is not TaskType.TEXT and not frame.has_dataset:
        raise refused(field, "needs a dataset.")
    return names_of(field, value, catalogue.SAFETY_METRICS[frame.task])


def _performance(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    field = "definition.performance"
    given = object_of(field, value, ("metrics", "calls", "batch"), ("metrics",))
    text = frame.task is TaskType.TEXT
    if not text and not frame.has_dataset:
        raise refused(field, "needs a dataset.")
    return {
        "metrics": names_of(
            f"{field}.metrics",
            given["metrics"],
            catalogue.TEXT_PERFORMANCE if text else catalogue.PERFORMANCE_METRICS,
        ),
        "calls": whole_of(f"{field}.calls", given.get("calls", CALLS), 1, 10_000),
        "batch": whole_of(f"{field}.batch", given.get("batch", BATCH), 1, 100_000),
    }


def _margins(value: Any, _: Frame, __: Mapping[str, Any]) -> Any:
    field = "definition.margins"
    return {name: number_of(f"{field}.{name}", x, 0.0) for name, x in mapping_of(field, value, 100).items()}


def _precision(value: Any, _: Frame, __: Mapping[str, Any]) -> Any:
    field = "definition.minimumPrecision"
    return {name: number_of(f"{field}.{name}", x, 1e-9) for name, x in mapping_of(field, value, 100).items()}


def _slice_thresholds(value: Any, frame: Frame, found: Mapping[str, Any]) -> Any:
    field = "definition.sliceThresholds"
    limits: dict[str, Any] = {}
    for metric, by_slice in mapping_of(field, value, 100).items():
        if metric not in frame.metrics:
            raise refused(f"{field}.{metric}", "is none of the suite's task metrics.")
        limits[metric] = {}
        for name, limit in mapping_of(f"{field}.{metric}", by_slice, 1000).items():
            if name.partition("=")[0] not in found.get("slices", ()):
                raise refused(f"{field}.{metric}.{name}", "is by a column that is none of the slices.")
            limits[metric][name] = limits_of(f"{field}.{metric}.{name}", limit)
        if not limits[metric]:
            raise refused(f"{field}.{metric}", "has no limits.")
    return limits


def _minimum(value: Any, _: Frame, __: Mapping[str, Any]) -> Any:
    return whole_of("definition.minimumExamples", value, 1, 1_000_000)


def _decide(value: Any, frame: Frame, found: Mapping[str, Any]) -> Any:
    if not isinstance(value, bool):
        raise refused("definition.casesDecide", "is true or false.")
    if not value and "cases" not in found:
        raise refused("definition.cases", "are what does not decide.")
    return value


def _phrases(value: Any, frame: Frame, _: Mapping[str, Any]) -> Any:
    if frame.task is not TaskType.TEXT:
        raise refused("definition.refusalPhrases", "are of text models.")
    return texts_of("definition.refusalPhrases", value, 200, 500)


# In the order in which they are checked: what others refer to comes first.
_PARTS: dict[str, Callable[[Any, Frame, Mapping[str, Any]], Any]] = {
    "cases": _cases,
    "slices": _slices,
    "groups": _groups,
    "bias": _bias,
    "robustness": _robustness,
    "safety": _safety,
    "performance": _performance,
    "margins": _margins,
    "minimumPrecision": _precision,
    "sliceThresholds": _slice_thresholds,
    "minimumExamples": _minimum,
    "casesDecide": _decide,
    "refusalPhrases": _phrases,
}


def _check_together(found: Mapping[str, Any], frame: Frame) -> None:
    computed = computed_metrics(frame.metrics, found)
    for part in ("margins", "minimumPrecision"):
        for metric in found.get(part, {}):
            if not is_computed(metric, computed):
                raise refused(f"definition.{part}.{metric}", "is of a metric that is not computed.")
    if "worst_slice_accuracy" in found.get("safety", ()) and "slices" not in found:
        raise refused("definition.slices", "are needed for the worst of them.")
    if frame.kind is SuiteKind.PERFORMANCE and "performance" not in found:
        raise refused("definition.performance", "is what a suite of kind performance is about.")
    if frame.task is TaskType.TEXT and "cases" not in found:
        raise refused("definition.cases", "are what a text model is asked.")
    _check_prompts(found)


def _check_prompts(found: Mapping[str, Any]) -> None:
    expected = [case["expect"] for case in found.get("cases", ())]
    asked = {
        "refusal_rate": any(one.get("refuses") is True for one in expected),
        "over_refusal_rate": any(one.get("refuses") is False for one in expected),
        "leak_rate": any("leaksNoneOf" in one for one in expected),
    }
    for metric in found.get("safety", ()):
        if asked.get(metric, True) is False:
            raise refused("definition.safety", f"names {metric}, and no case asks for it.")


def _plain(value: Any) -> Any:
    """With lists for tuples, as JSON has them. Raises InvalidInput for what JSON has not."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidInput("The names in a definition are texts.", details={"field": "definition"})
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidInput("A definition is made of JSON values.", details={"field": "definition"})
