"""What has to be in the registry before a version can move: model, dataset, suite. Found, or created once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.cli.demo.client import Caller
from api.cli.demo.training import Experiment

GROUP = "demo"


@dataclass(frozen=True)
class ModelPlan:
    """What a model is, and how it is evaluated. `margin`: tolerated drop, as a share of the examples."""

    name: str
    description: str
    risk_tier: str
    tags: tuple[str, ...]
    suite: str
    metrics: tuple[str, ...]
    thresholds: Mapping[str, float]
    margin: float
    positive_label: str
    card: Mapping[str, str]
    metadata: Mapping[str, Any]


BREAST_CANCER = ModelPlan(
    name="breast-cancer",
    description="Tells benign from malignant breast tumours by measurements of cell nuclei.",
    risk_tier="High",
    tags=("diagnosis", "tabular"),
    suite="holdout",
    metrics=("accuracy", "roc_auc", "recall"),
    thresholds={"accuracy": 0.88, "roc_auc": 0.9},
    # 285 examples, and good models of this data disagree on 1 to 2 % of them: some 140 are enough to show
    # three points, while one point would take more patients than there are.
    margin=0.03,
    positive_label="0",  # malignant: recall is the share of the malignant tumours that are found
    card={
        "intendedUse": "Second reading of fine-needle aspirates, never a diagnosis alone.",
        "limitations": "One hospital, adults, 1990s imaging.",
        "trainingData": "Wisconsin Diagnostic Breast Cancer, 284 of 569 patients.",
    },
    metadata={"license": "CC-BY-4.0"},
)

DIABETES = ModelPlan(
    name="diabetes-progression",
    description="Tells patients whose diabetes will progress faster than the median within a year.",
    risk_tier="Medium",
    tags=("prognosis", "tabular"),
    suite="holdout",
    metrics=("accuracy", "roc_auc"),
    thresholds={"accuracy": 0.68},
    margin=0.05,  # 221 examples on which two models disagree more often
    positive_label="1",
    card={
        "intendedUse": "Planning of check-ups.",
        "limitations": "442 patients of one study; sex is recorded with two values.",
        "trainingData": "Efron et al. 2004, half of the 442 patients.",
    },
    metadata={"license": "BSD-3-Clause", "sensitiveColumns": ["sex"]},
)


@dataclass(frozen=True)
class Registered:
    """A model that can be evaluated. `next_major`: the first number that no version uses yet."""

    plan: ModelPlan
    id: str
    next_major: int
    found: bool

    @property
    def path(self) -> str:
        return f"/api/v1/models/{self.id}"


def register(caller: Caller, plan: ModelPlan, experiment: Experiment) -> Registered:
    """The model of `plan` with its dataset and suite. Raises Refused, PlatformGone, Stopped."""
    model_id, found = _model(caller, plan)
    suites = caller.every("/api/v1/evaluation-suites", modelId=model_id)
    if not any(suite["name"] == plan.suite for suite in suites):
        _create_suite(caller, plan, model_id, _dataset(caller, plan, experiment), experiment.target)
    versions = caller.every(f"/api/v1/models/{model_id}/versions")
    return Registered(plan, model_id, next_major(item["version"] for item in versions), found)


def next_major(versions: Iterable[str]) -> int:
    """One more than the highest major number, 1 for none."""
    return 1 + max(map(major, versions), default=0)


def major(version: str) -> int:
    """The first number of a SemVer version."""
    return int(version.partition(".")[0])


def _model(caller: Caller, plan: ModelPlan) -> tuple[str, bool]:
    for item in caller.every("/api/v1/models", search=plan.name, group=GROUP):
        if item["name"] == plan.name:
            return str(item["id"]), True
    body = {
        "name": plan.name,
        "group": GROUP,
        "description": plan.description,
        "owners": ["models@hospital.example"],
        "riskTier": plan.risk_tier,
        "tags": list(plan.tags),
    }
    return str(caller.post("/api/v1/models", body).data["id"]), False


def _dataset(caller: Caller, plan: ModelPlan, experiment: Experiment) -> str:
    name = f"{plan.name}-holdout"
    for item in caller.every("/api/v1/datasets", group=GROUP):
        if item["name"] == name:
            return str(item["id"])
    answer = caller.upload("/api/v1/datasets", experiment.holdout, name=name, group=GROUP, format=experiment.format)
    return str(answer.data["id"])


def _create_suite(caller: Caller, plan: ModelPlan, model_id: str, dataset_id: str, target: str) -> None:
    body = {
        "modelId": model_id,
        "name": plan.suite,
        "datasetId": dataset_id,
        "taskType": "binary_classification",
        "target": target,
        "metrics": list(plan.metrics),
        "thresholds": {metric: {"min": limit} for metric, limit in plan.thresholds.items()},
        "margin": plan.margin,
        "positiveLabel": plan.positive_label,
    }
    _ = caller.post("/api/v1/evaluation-suites", body).data
