"""Running one evaluation suite and keeping what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.evaluation.job import Limits, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.suite import run_suite
from governance.artifact_store import BlobMissing
from governance.evaluations import Evaluation, EvaluationStatus, Suite
from governance.evidence import Evidence
from governance.models import ArtifactType
from governance.policies.evaluation import threshold_failures
from storage.composition import Platform

_CHUNK = 1024 * 1024


def run_evaluation(platform: Platform, evaluation: Evaluation, evidence: Evidence) -> Evaluation:
    """The evaluation with its results, or failed with a plain reason. Raises StoreUnavailable only."""
    with platform.new_unit() as uow:
        suite = uow.evaluations.suite(evaluation.suite_id)
    weights = [a for a in evidence.subject["artifacts"] if a["type"] == ArtifactType.WEIGHTS]
    if len(weights) != 1:
        return _failed(evaluation, f"An evaluation needs exactly one weights artifact; the version has {len(weights)}.")
    measured = {item["id"]: item for item in evidence.measured["artifacts"]}
    if measured[weights[0]["id"]]["format"] != "onnx":
        return _failed(evaluation, "Weights are evaluated in ONNX; convert them, for example with skl2onnx.")
    sha256 = weights[0]["sha256"]
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        try:
            with (
                platform.store.local_path(sha256) as model,
                platform.store.local_path(suite.dataset_sha256) as dataset,
            ):
                run = run_suite(model, dataset, _job(suite), limits=_limits(platform), work_dir=Path(folder))
        except BlobMissing:
            return _failed(evaluation, "The weights or the dataset are gone from storage.")
        if isinstance(run, SuiteFailure):
            return _failed(evaluation, run.reason)
        outcomes = _keep(platform, run.outcomes_path)
    return _completed(evaluation, suite, sha256, run, outcomes)


def _job(suite: Suite) -> SuiteJob:
    return SuiteJob(
        task_type=suite.task_type.value,
        target=suite.target,
        metrics=suite.metrics,
        dataset_format="parquet" if suite.dataset_format == "parquet" else "csv",
        features=suite.features,
        positive_label=suite.positive_label,
    )


def _limits(platform: Platform) -> Limits:
    seconds = platform.settings.evaluation_seconds
    return Limits(memory=platform.settings.evaluation_memory, wall_seconds=float(seconds), cpu_seconds=seconds)


def _keep(platform: Platform, path: Path) -> str:
    upload = platform.store.open_upload(limit=path.stat().st_size)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                upload.write(chunk)
        return upload.finish().sha256
    finally:
        upload.abort()


def _completed(evaluation: Evaluation, suite: Suite, weights: str, run: SuiteRun, outcomes: str) -> Evaluation:
    metrics = {name: _plain(value) for name, value in run.metrics.items()}
    failures = threshold_failures(metrics, suite.thresholds)
    results: Mapping[str, Any] = {
        "taskMetrics": metrics,
        "biasMetrics": {},
        "safetyMetrics": {},
        "robustnessMetrics": {},
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in run.intervals.items()},
        "confidence": 0.95,
        "examples": run.n,
        "seconds": round(run.seconds, 3),
    }
    return replace(
        evaluation,
        status=EvaluationStatus.COMPLETED,
        reason="; ".join(failures) or None,
        weights_sha256=weights,
        outcomes_sha256=outcomes,
        results=results,
        passed=not failures,
    )


def _plain(value: float) -> float:
    """Twelve significant digits: what two builds of one library agree on, and more than anybody compares."""
    return float(f"{value:.12g}")


def _failed(evaluation: Evaluation, reason: str) -> Evaluation:
    return replace(evaluation, status=EvaluationStatus.FAILED, reason=reason, passed=False)
