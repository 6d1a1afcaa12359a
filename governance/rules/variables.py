"""What a rule may speak of: one table with the name, the type and the meaning of every variable.

The types are CEL's. Where a case has no such fact (no evaluation has been run), the variable has no value, and a rule
that needs it cannot be judged, which blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from governance.evidence import Case
from governance.suites.catalogue import LOWER_IS_BETTER

Type = Literal["string", "int", "double", "list(string)", "list(map(string, dyn))", "map(string, double)",
               "map(string, dyn)"]  # fmt: skip
Need = Literal["evaluations", "incumbent", "serving"]
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Variable:
    """`read` gives its value in a case, or ABSENT. `need`: the part of the evidence that it is in, where only the
    transitions that are judged by it have it otherwise."""

    name: str
    type: Type
    meaning: str
    read: Callable[[Case], Any]
    need: Need | None = None

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "type": self.type, "meaning": self.meaning}


def _model(key: str) -> Callable[[Case], Any]:
    return lambda case: case.evidence.subject["model"][key]


def _version(key: str) -> Callable[[Case], Any]:
    return lambda case: case.evidence.subject["version"][key]


def _licence(case: Case) -> str:
    licence = case.evidence.subject["version"]["metadata"].get("license")
    return licence if isinstance(licence, str) else ""


def _model_type(case: Case) -> str:
    kind = case.evidence.subject["version"]["metadata"].get("modelType")
    return kind if isinstance(kind, str) else ""


def _completed(case: Case) -> list[Mapping[str, Any]]:
    return [item for item in case.evidence.subject["evaluations"] if item.get("evaluationId") is not None]


def _metrics(group: str) -> Callable[[Case], dict[str, float]]:
    def worst(case: Case) -> dict[str, float]:
        found: dict[str, float] = {}
        for item in _completed(case):
            thresholds = item.get("thresholds") or {}
            for metric, value in (item.get(group) or {}).items():
                if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                    continue  # no number is no value: a rule about it cannot be judged
                known = found.get(metric)
                if known is None:
                    found[metric] = float(value)
                else:
                    choose = max if _less_is_better(metric, thresholds.get(metric) or {}) else min
                    found[metric] = choose(known, float(value))
        return found

    return worst


def _less_is_better(metric: str, limits: Mapping[str, Any]) -> bool:
    if "max" in limits and "min" not in limits:
        return True
    return metric in LOWER_IS_BETTER and "min" not in limits


def _age_days(case: Case) -> Any:
    times = [datetime.fromisoformat(item["executedAt"]) for item in _completed(case)]
    if not times:
        return ABSENT
    return (case.as_of - min(times)).total_seconds() / 86_400


def _incumbent(case: Case) -> str:
    incumbent = case.evidence.subject["incumbent"]
    return str(incumbent["version"]) if incumbent else ""


def _total_size(case: Case) -> int:
    return sum(int(item.get("size") or 0) for item in case.evidence.subject["artifacts"])


VARIABLES: tuple[Variable, ...] = (
    Variable("model.id", "string", "Id of the model.", _model("id")),
    Variable("model.name", "string", "Name of the model within its group.", _model("name")),
    Variable("model.group", "string", "The group that owns the model.", _model("group")),
    Variable("model.description", "string", "What the model is, in words.", _model("description")),
    Variable("model.riskTier", "string", "'Low', 'Medium' or 'High'.", _model("riskTier")),
    Variable("model.owners", "list(string)", "Who answers for the model.", lambda c: list(_model("owners")(c))),
    Variable("model.tags", "list(string)", "Tags of the model.", lambda c: list(_model("tags")(c))),
    Variable("version.version", "string", "Semantic version.", _version("version")),
    Variable("version.commitSha", "string", "The commit that it was built from.", _version("commitSha")),
    Variable("version.trainingJobId", "string", "The training job; '' when none is known.",
             lambda c: _version("trainingJobId")(c) or ""),
    Variable("version.license", "string", "metadata.license; '' when it names none.", _licence),
    Variable("version.modelType", "string", "metadata.modelType; '' when it names none.", _model_type),
    Variable("version.metadata", "map(string, dyn)", "Everything that the version says of itself; a missing key "
             "cannot be judged unless has() asks for it first.", _version("metadata")),
    Variable("artifacts", "list(map(string, dyn))", "Each with type, name, sha256, size (bytes), uri and license.",
             lambda c: list(c.evidence.subject["artifacts"])),
    Variable("artifactCount", "int", "Number of artifacts.", lambda c: len(c.evidence.subject["artifacts"])),
    Variable("artifactBytes", "int", "Their sizes together, in bytes.", _total_size),
    Variable("evaluation.taskMetrics", "map(string, double)", "Metrics of the newest evaluation on each suite. Where "
             "several suites have a metric, the worst value counts: the largest where less is better (a threshold "
             "with only a maximum, or an error or loss), else the smallest.", _metrics("taskMetrics"), "evaluations"),
    Variable("evaluation.biasMetrics", "map(string, double)", "The same of the metrics of bias; empty when none were "
             "measured.", _metrics("biasMetrics"), "evaluations"),
    Variable("evaluation.safetyMetrics", "map(string, double)", "The same of the metrics of safety.",
             _metrics("safetyMetrics"), "evaluations"),
    Variable("evaluation.robustnessMetrics", "map(string, double)", "The same of the metrics of robustness.",
             _metrics("robustnessMetrics"), "evaluations"),
    Variable("evaluation.ageDays", "double", "Days since the oldest of these evaluations; no value without one.",
             _age_days, "evaluations"),
    Variable("evaluation.count", "int", "Suites on which the version has been evaluated.",
             lambda c: len(_completed(c)), "evaluations"),
    Variable("evaluation.suiteCount", "int", "Suites that the model has.",
             lambda c: len(c.evidence.subject["evaluations"]), "evaluations"),
    Variable("request.transition", "string", "What is asked for, e.g. 'promote_production'.",
             lambda c: c.transition.value),
    Variable("request.reason", "string", "The reason that was given; '' without.", lambda c: c.reason),
    Variable("requester.id", "string", "Id of who asks.", lambda c: c.requester_id),
    Variable("incumbent.version", "string", "The version in production; '' when there is none.", _incumbent,
             "incumbent"),
    Variable("serving", "list(map(string, dyn))", "What sends traffic to the version: environment, endpoint and "
             "trafficPercent.", lambda c: list(c.evidence.subject["serving"]), "serving"),
)  # fmt: skip

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}


def facts_of(case: Case, names: Iterable[str]) -> dict[str, Any]:
    """The values of these variables; one without a value is left out.

    Raises KeyError, TypeError, AttributeError or ValueError for evidence of another shape.
    """
    found = {name: BY_NAME[name].read(case) for name in names}
    return {name: value for name, value in found.items() if value is not ABSENT}


def needs_of(names: Iterable[str]) -> frozenset[Need]:
    """The parts of the evidence that have to be there for these variables to mean anything."""
    return frozenset(need for name in names if (need := BY_NAME[name].need) is not None)
