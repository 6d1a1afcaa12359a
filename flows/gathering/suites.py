"""Running one evaluation suite and keeping what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flows.evaluation.job import Limits, SliceRun, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.runners.protocol import RunnerSpec
from flows.evaluation.suite import run_suite
from flows.gathering.endpoints import asked
from flows.gathering.runners import opened, runner_for
from governance.artifact_store import BlobMissing
from governance.evaluations import Evaluation, EvaluationStatus, Suite
from governance.evidence import Evidence
from governance.suites.conclusions import Measured, TestResult
from governance.suites.results import Figures, conclusions_of, judged_tests, results_json
from governance.suites.selection import selected
from storage.composition import Platform

__all__ = ["Execution", "TestResult", "execute_suite", "run_evaluation"]

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Execution:
    """One suite run on one version. tests: one result a case that decides and a threshold; empty when it failed.

    results: as `governance.suites.results` describes them. outcomes_sha256: of the per-example outcomes in the store.
    weights_sha256, endpoint_digest: what answered, one of the two. reason: why it failed, or why it has not passed.
    """

    status: Literal["completed", "failed"]
    reason: str | None
    results: Mapping[str, Any] | None
    outcomes_sha256: str | None
    weights_sha256: str | None
    passed: bool
    tests: tuple[TestResult, ...]
    endpoint_digest: str | None = None


def execute_suite(
    platform: Platform,
    suite: Suite,
    artifacts: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, Any],
    *,
    dataset: tuple[str, str] | None = None,
    case_ids: frozenset[str] | None = None,
) -> Execution:
    """Ask the model, measure, judge. Never raises for what models or data hold; raises StoreUnavailable.

    artifacts: with id, type, name and sha256. dataset: (sha256, format) in place of the suite's own, such as a newer
    sample. case_ids: of `suite.test_ids`, those that are run; ids of other suites are passed over.
    """
    part = suite if case_ids is None else selected(suite, case_ids)
    if part is None:
        return _failed(f"Suite {suite.name!r} has none of these test cases.")
    spec = runner_for(platform, artifacts, metadata)
    if isinstance(spec, str):
        return _failed(spec)
    data = dataset or _dataset(suite)
    job = _job(part, data, suite)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder, ExitStack() as files:
        try:
            model = files.enter_context(opened(platform, spec))
            examples = files.enter_context(platform.store.local_path(data[0])) if data is not None else None
            limits, work_dir = _limits(platform), Path(folder)
            run = asked(
                platform,
                spec,
                lambda secret: run_suite(model, examples, job, limits=limits, work_dir=work_dir, secret=secret),
            )
        except BlobMissing:
            return _failed("The weights or the dataset are gone from storage.")
        if isinstance(run, SuiteFailure):
            return _failed(run.reason)
        outcomes = _keep(platform, run.outcomes_path)
    return _completed(part, run, outcomes, spec, case_ids)


def run_evaluation(platform: Platform, evaluation: Evaluation, evidence: Evidence) -> Evaluation:
    """The evaluation with its results, or failed with a plain reason. Raises StoreUnavailable only."""
    with platform.new_unit() as uow:
        suite = uow.evaluations.suite(evaluation.suite_id)
    measured = {item["id"]: item for item in evidence.measured["artifacts"]}
    artifacts = [
        {**item, **{name: measured[item["id"]][name] for name in ("format", "safe", "reason")}}
        for item in evidence.subject["artifacts"]
    ]
    found = execute_suite(platform, suite, artifacts, evidence.subject["version"]["metadata"])
    if found.status == "failed":
        return replace(evaluation, status=EvaluationStatus.FAILED, reason=found.reason, passed=False)
    return replace(
        evaluation,
        status=EvaluationStatus.COMPLETED,
        reason=found.reason,
        weights_sha256=found.weights_sha256,
        endpoint_digest=found.endpoint_digest,
        outcomes_sha256=found.outcomes_sha256,
        results=found.results,
        passed=found.passed,
    )


def _dataset(suite: Suite) -> tuple[str, str] | None:
    if suite.dataset_sha256 is None or suite.dataset_format is None:
        return None
    return suite.dataset_sha256, suite.dataset_format


def _job(suite: Suite, dataset: tuple[str, str] | None, whole: Suite) -> SuiteJob:
    """whole: the suite with all of its cases, whose places are kept in the outcomes."""
    definition = dict(suite.definition)
    places = {case["id"]: place for place, case in enumerate(whole.definition.get("cases", ()))}
    if "cases" in definition:
        definition["cases"] = [{**case, "position": places[case["id"]]} for case in definition["cases"]]
    by = [*definition.get("slices", ()), *definition.get("groups", {}).get("columns", ())]
    looked_at = [column for case in definition.get("cases", ()) for column in case.get("slice", ())]
    kept_apart = [
        *whole.definition.get("slices", ()),
        *whole.definition.get("groups", {}).get("columns", ()),
    ]
    return SuiteJob(
        task_type=suite.task_type.value,
        target=suite.target,
        metrics=suite.metrics,
        dataset_format="parquet" if dataset is not None and dataset[1] == "parquet" else "csv",
        features=suite.features,
        positive_label=suite.positive_label,
        drop=tuple(dict.fromkeys(kept_apart)) if suite.features is None and dataset is not None else (),
        labelled=tuple(dict.fromkeys([*by, *looked_at])) if dataset is not None else (),
        definition=definition,
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


def _completed(
    suite: Suite, run: SuiteRun, outcomes: str, spec: RunnerSpec, case_ids: frozenset[str] | None
) -> Execution:
    figures = Figures(
        task={name: _measured(run, name) for name in run.metrics},
        families={family: {name: _plain(one) for name, one in of.items()} for family, of in run.families.items()},
        unavailable=run.unavailable,
        slices={name: dict(_of_slice(one)) for name, one in run.slices.items()},
        slice_sizes={name: one.n for name, one in run.slices.items()},
        calibration=run.calibration,
        cases=run.cases,
        examples=run.n,
        seconds=round(run.seconds, 3),
    )
    conclusions = conclusions_of(suite, figures)
    tests = tuple(one for one in judged_tests(suite, figures, conclusions) if case_ids is None or one.id in case_ids)
    wrong = [one for one in tests if one.outcome != "passed"]
    return Execution(
        "completed",
        _told(suite, wrong),
        results_json(suite, figures, conclusions, tests),
        outcomes,
        spec.options.get("sha256"),
        bool(tests) and not wrong,
        tests,
        spec.options.get("digest"),
    )


def _told(suite: Suite, wrong: Sequence[TestResult]) -> str | None:
    """Why it has not passed: thresholds by their sentence, cases by their id as well."""
    cases = {str(case["id"]) for case in suite.definition.get("cases", ())}
    sentences = [f"case {one.id}: {one.reason}" if one.id in cases else one.reason for one in wrong]
    more = f"; and {len(sentences) - 20} more" if len(sentences) > 20 else ""
    return "; ".join(sentences[:20]) + more or None


def _measured(run: SuiteRun, name: str) -> Measured:
    low, high = run.intervals.get(name, (None, None))
    return Measured(_digits(run.metrics[name]), low, high, run.n)


def _of_slice(found: SliceRun) -> Iterator[tuple[str, Measured]]:
    for name, value in found.metrics.items():
        low, high = found.intervals.get(name, (None, None))
        yield name, Measured(_digits(value), low, high, found.n)


def _plain(measured: Measured) -> Measured:
    return Measured(**{**asdict(measured), "value": _digits(measured.value)})


def _digits(value: float) -> float:
    """Twelve significant digits: what two builds of one library agree on, and more than anybody compares."""
    return float(f"{value:.12g}")


def _failed(reason: str) -> Execution:
    return Execution("failed", reason, None, None, None, passed=False, tests=())
