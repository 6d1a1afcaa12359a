"""Running one evaluation suite and keeping what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.evaluation.job import Limits, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.runners import RunnerSpec
from flows.evaluation.suite import run_suite
from flows.gathering.endpoints import asked
from flows.gathering.runners import opened, runner_for
from governance.artifact_store import BlobMissing
from governance.evaluations import Evaluation, EvaluationStatus, Suite
from governance.evidence import Evidence
from governance.policies.evaluation import threshold_failures
from storage.composition import Platform

_CHUNK = 1024 * 1024


def run_evaluation(platform: Platform, evaluation: Evaluation, evidence: Evidence) -> Evaluation:
    """The evaluation with its results, or failed with a plain reason. Raises StoreUnavailable only."""
    with platform.new_unit() as uow:
        suite = uow.evaluations.suite(evaluation.suite_id)
    formats = {item["id"]: item["format"] for item in evidence.measured["artifacts"]}
    artifacts = [{**item, "format": formats[item["id"]]} for item in evidence.subject["artifacts"]]
    found = runner_for(platform, artifacts, evidence.subject["version"]["metadata"])
    if isinstance(found, str):
        return _failed(evaluation, found)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        try:
            with (
                opened(platform, found) as model,
                platform.store.local_path(suite.dataset_sha256) as dataset,
            ):
                job, limits, work_dir = _job(suite), _limits(platform), Path(folder)
                run = asked(
                    platform,
                    model,
                    lambda secret: run_suite(model, dataset, job, limits=limits, work_dir=work_dir, secret=secret),
                )
        except BlobMissing:
            return _failed(evaluation, "The weights or the dataset are gone from storage.")
        if isinstance(run, SuiteFailure):
            return _failed(evaluation, run.reason)
        outcomes = _keep(platform, run.outcomes_path)
    return _completed(evaluation, suite, found, run, outcomes)


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


def _completed(evaluation: Evaluation, suite: Suite, model: RunnerSpec, run: SuiteRun, outcomes: str) -> Evaluation:
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
        weights_sha256=model.options.get("sha256"),
        endpoint_digest=model.options.get("digest"),
        outcomes_sha256=outcomes,
        results=results,
        passed=not failures,
    )


def _plain(value: float) -> float:
    """Twelve significant digits: what two builds of one library agree on, and more than anybody compares."""
    return float(f"{value:.12g}")


def _failed(evaluation: Evaluation, reason: str) -> Evaluation:
    return replace(evaluation, status=EvaluationStatus.FAILED, reason=reason, passed=False)
