"""Executing the suites of one version, and what they found against the baseline, without judging anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from flows.gathering.suites import Execution, execute_suite
from flows.validation import live
from flows.validation.baseline import Compared, compared
from flows.validation.data import Examples, tests_of
from governance.evaluations import Suite
from governance.models import Artifact, ArtifactType, ModelVersion
from governance.operations.baselines import lower_is_better, score_of
from governance.validation.ports import StoredExecution
from governance.validation.runs import Measured, ValidationRun
from storage.composition import Platform, now

# A result of the same content on the same examples says the same; now and then it is looked whether that still holds.
GOOD_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Ran:
    """A suite on a version: what was found, on which examples, and whether it was known from before.

    settled: what answers is a file that we hold, so that the same question has the same answer for ever.
    """

    suite: Suite
    dataset: tuple[str, str] | None  # (sha256, format)
    execution: Execution
    reused: bool
    settled: bool


def measure(platform: Platform, run: ValidationRun, examples: Examples) -> Measured:
    """Raises StoreUnavailable and DependencyUnavailable only; everything else about a model is a result."""
    with platform.new_unit() as uow:
        version = uow.versions.by_id(run.version_id)
        suites = uow.evaluations.suites_of_model(run.model_id)
    wanted = frozenset(run.case_ids) if run.case_ids is not None else None
    tests: list[Mapping[str, Any]] = []
    told: list[Mapping[str, Any]] = []
    for suite in suites:
        if wanted is not None and not wanted & set(suite.test_ids):
            continue
        ran = run_suite_of(platform, version, suite, case_ids=wanted)
        tests += [_test(suite, test) for test in ran.execution.tests] or _silent(ran)
        found = (
            compared(platform, run, version, ran)
            if wanted is None
            else Compared(not_compared="Only some of its tests were run.")
        )
        told.append(_told(ran, found))
    if wanted is not None:
        known = {name for suite in suites for name in suite.test_ids}
        return Measured(tests=(*tests, *_unknown(wanted - known)), suites=tuple(told))
    checked = examples.checked(suites)
    return Measured(
        tests=(*tests, *tests_of(checked)),
        suites=tuple(told),
        latency=live.latency(platform, run, version),
        drift=live.drift(platform, version, suites),
        data=tuple(checked),
    )


def run_suite_of(
    platform: Platform, version: ModelVersion, suite: Suite, *, case_ids: frozenset[str] | None = None
) -> Ran:
    """On the newest sample of the suite, or on its own dataset; from the records when exactly that was done lately."""
    dataset = _examples(platform, suite)
    return ran_on(platform, version, suite, dataset, case_ids=case_ids)


def ran_on(
    platform: Platform,
    version: ModelVersion,
    suite: Suite,
    dataset: tuple[str, str] | None,
    *,
    case_ids: frozenset[str] | None = None,
) -> Ran:
    """The same on given examples."""
    with platform.new_unit() as uow:
        artifacts = uow.artifacts.of_version(version.id)
    content = subject_digest(artifacts)
    key = dataset[0] if dataset else ""
    if content is not None and case_ids is None and _says_the_same(suite):
        with platform.new_unit() as uow:
            known = uow.baselines.execution(version.id, suite.digest, key, content, now() - GOOD_FOR)
        if known is not None:
            return Ran(suite, dataset, _execution_of(known), reused=True, settled=True)
    execution = execute_suite(
        platform,
        suite,
        [{"id": a.id, "type": a.type.value, "name": a.name, "sha256": a.sha256, "size": a.size} for a in artifacts],
        version.metadata,
        dataset=dataset,
        case_ids=case_ids,
    )
    erred = any(test.outcome == "error" for test in execution.tests)
    if content is not None and case_ids is None and execution.status == "completed" and not erred:
        stored = StoredExecution(
            version_id=version.id,
            suite_id=suite.id,
            suite_digest=suite.digest,
            dataset_sha256=key,
            subject_digest=content,
            outcomes_sha256=execution.outcomes_sha256,
            results={**(execution.results or {}), "passed": execution.passed, "reason": execution.reason},
            tests=tuple(asdict(test) for test in execution.tests),
            executed_at=now(),
        )
        with platform.new_unit() as uow:
            uow.baselines.keep_execution(stored)
            uow.commit()
    return Ran(suite, dataset, execution, reused=False, settled=content is not None)


def _says_the_same(suite: Suite) -> bool:
    """Whether asking again would give the same answer; how long it takes never is the same."""
    return suite.kind != "performance" and "performance" not in suite.definition


def subject_digest(artifacts: Sequence[Artifact]) -> str | None:
    """Of what answers: the weights. None where it answers from elsewhere and may change without our seeing it."""
    weights = [artifact.sha256 for artifact in artifacts if artifact.type is ArtifactType.WEIGHTS]
    return weights[0] if len(weights) == 1 else None


def _examples(platform: Platform, suite: Suite) -> tuple[str, str] | None:
    with platform.new_unit() as uow:
        sample = uow.baselines.newest_sample(suite.id)
    if sample is not None:
        return sample[1], sample[2]
    if suite.dataset_sha256 is None or suite.dataset_format is None:
        return None
    return suite.dataset_sha256, suite.dataset_format


def _execution_of(known: StoredExecution) -> Execution:
    from flows.gathering.suites import TestResult

    results = dict(known.results)
    passed, reason = bool(results.pop("passed")), results.pop("reason")
    return Execution(
        status="completed",
        reason=reason,
        results=results,
        outcomes_sha256=known.outcomes_sha256,
        weights_sha256=known.subject_digest,
        passed=passed,
        tests=tuple(TestResult(**test) for test in known.tests),
    )


def _test(suite: Suite, test: Any) -> dict[str, Any]:
    return {**asdict(test), "suite_id": suite.id, "suite": suite.name}


def _silent(ran: Ran) -> list[Mapping[str, Any]]:
    """A suite that could not be executed is an error of its own, so that it is not overlooked."""
    if ran.execution.status == "completed":
        return []
    return [
        {
            "id": ran.suite.name,
            "title": f"Suite {ran.suite.name}",
            "outcome": "error",
            "reason": ran.execution.reason,
            "suite_id": ran.suite.id,
            "suite": ran.suite.name,
        }
    ]


def _unknown(missing: frozenset[str]) -> list[Mapping[str, Any]]:
    return [
        {
            "id": name,
            "title": name,
            "outcome": "error",
            "reason": "No suite of the model has this test.",
            "suite_id": None,
            "suite": None,
        }
        for name in sorted(missing)
    ]


def _told(ran: Ran, found: Compared) -> dict[str, Any]:
    results = ran.execution.results
    return {
        "suite_id": ran.suite.id,
        "suite": ran.suite.name,
        "kind": ran.suite.kind,
        "dataset_sha256": ran.dataset[0] if ran.dataset else None,
        "outcomes_sha256": ran.execution.outcomes_sha256,
        "reused": ran.reused,
        "status": ran.execution.status,
        "reason": ran.execution.reason,
        "results": dict(results) if results is not None else None,
        "score": score_of(results),
        "lower_is_better": lower_is_better(results),
        "margin": ran.suite.margin,
        "n": int((results or {}).get("examples") or 0),
        "baseline": found.baseline,
        "is_baseline": found.is_baseline,
        "measurement": found.measurement.to_json() if found.measurement else None,
        "not_compared": found.not_compared,
    }
