"""Models that stand one step before a transition, made by operations with real evaluations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

from flows.gathering.evidence import gather_evidence
from flows.gathering.suites import run_evaluation
from governance.evaluations import Evaluation
from governance.operations import evaluations as suites
from governance.requests import RequestStatus, TransitionRequest
from tests.faults.stage import Stage
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.small_model import dataset_csv, onnx_model

STEPS = ("submit", "evaluate", "approve_staging", "deploy_staging", "approve_production", "promote_production")
_numbers = itertools.count(1)
# One evaluation of the one model on the one dataset serves every request of a platform; its outcomes lie in that store.
_measured: dict[Path, Evaluation] = {}


@dataclass(frozen=True)
class Candidate:
    """`incumbent` is in production, `version` is to take its place."""

    model_id: str
    incumbent: str
    version: str


def candidate(stage: Stage, before: str, *, risk_tier: str = "Low") -> Candidate:
    registry = stage.registry
    registry.at = stage.platform.system_call().at
    model_id = registry.model(risk_tier=risk_tier)
    _add_suite(registry, model_id)
    for version, steps in (("1.0.0", STEPS), ("2.0.0", STEPS[: STEPS.index(before)])):
        registry.version(model_id, version, weights=onnx_model())
        for step in steps:
            _take(stage, registry.open(model_id, version, step))
    return Candidate(model_id, "1.0.0", "2.0.0")


def _add_suite(registry: RegistryUnderTest, model_id: str) -> None:
    content = dataset_csv()
    upload = registry.platform.store.open_upload(limit=len(content))
    upload.write(content)
    blob = upload.finish()
    dataset_id = suites.create_dataset(
        registry.unit(),
        registry.call(registry.dev),
        name=f"clouds-{next(_numbers)}",
        group="lab",
        kind="csv",
        sha256=blob.sha256,
        size=blob.size,
    )
    suites.create_suite(
        registry.unit(),
        registry.call(registry.dev),
        suites.NewSuite(
            model_id=model_id,
            name="holdout",
            dataset_id=dataset_id,
            task_type="binary_classification",
            target="target",
            features=None,
            metrics=["accuracy"],
            thresholds={"accuracy": {"min": 0.8}},
            margin=0.02,
            positive_label=None,
        ),
    )


def _take(stage: Stage, request: TransitionRequest) -> None:
    """Go one step by operations alone, with the evidence that a flow would gather."""
    registry = stage.registry
    evidence = gather_evidence(stage.platform, request)
    results: list[Evaluation] = []
    if request.transition == "evaluate":
        with registry.unit() as uow:
            (queued,) = uow.evaluations.of_request(request.id)
        home = stage.platform.settings.home
        if home not in _measured:
            _measured[home] = run_evaluation(stage.platform, queued, evidence)
        results = [replace(_measured[home], id=queued.id, version_id=queued.version_id, suite_id=queued.suite_id)]
    if request.transition.startswith("approve"):
        registry.approve(request, registry.grace, registry.alan, evidence=evidence)
    settled = registry.settle(request, evidence, evaluations=results)
    assert settled.status is RequestStatus.APPLIED, settled.outcome
