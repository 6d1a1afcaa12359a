"""Suites run on registered versions, from the store through the confined process to the gates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from flows.gathering.comparisons import compared_with_incumbent
from flows.gathering.evidence import gather_evidence
from flows.gathering.suites import execute_suite
from governance.errors import InvalidInput
from governance.evaluations import EvaluationStatus
from governance.evidence import Case
from governance.gates import evaluate
from governance.lifecycle import TransitionName
from governance.policies.base import ActivePolicy
from governance.policies.evaluation import EvaluationPassed
from governance.policies.samples import sample_case, sample_evaluation
from governance.requests import RequestStatus
from governance.verdicts import Failed, Passed
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.small_model import onnx_model
from tests.fixtures.suites import DEFINITION, EVERYTHING, candidate, evaluated, grouped_csv, suite


def asked_for_staging(r: RegistryUnderTest, model: str) -> tuple[RequestStatus, list[str]]:
    """(how a request for staging ends, why): the version is submitted, and people approve what waits for them."""
    r.settle(r.open(model, "1.0.0", "submit"))
    request = r.open(model, "1.0.0", "approve_staging")
    evidence = gather_evidence(r.platform, request)
    settled = r.settle(request, evidence)
    if settled.kind == "waiting":
        r.approve(request, r.grace, r.alan, evidence=evidence)
        settled = r.settle(request, evidence)
    return settled.status, settled.outcome.get("reasons", [])


def test_a_full_suite_carries_a_version_to_staging(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = candidate(r)
    made = suite(r, model, grouped_csv(), kind="integration", **EVERYTHING)
    (run,) = evaluated(r, model)
    assert run.passed
    assert run.reason is None
    assert run.results is not None
    assert set(run.results["biasMetrics"]) == {
        "demographic_parity_difference", "selection_rate.sex=0", "selection_rate.sex=1",
    }  # fmt: skip
    assert set(run.results["robustnessMetrics"]) == {"flip_rate", "flip_rate.noise"}
    assert set(run.results["safetyMetrics"]) == {"nan_safe", "out_of_range_safe", "expected_calibration_error"}
    assert run.results["safetyMetrics"]["nan_safe"] == 0.0  # a logistic regression in ONNX answers NaN to NaN
    assert run.results["slices"]["region=north"]["n"] + run.results["slices"]["region=south"]["n"] == 400
    assert [one["id"] for one in run.results["cases"]] == ["far-out", "north"]
    assert run.results["tests"] == {
        "total": len(made.test_ids), "passed": len(made.test_ids), "failed": 0, "error": 0, "insufficientEvidence": 0,
    }  # fmt: skip
    accuracy = run.results["details"]["accuracy"]
    assert accuracy["n"] == 400
    assert 0.02 < accuracy["minimumDetectableEffect"] < 0.06
    assert run.results["details"]["nan_safe"] == {"n": None, "minimumDetectableEffect": None}
    assert run.outcomes_sha256 is not None
    with r.platform.store.local_path(run.outcomes_sha256) as path:
        kept = pq.read_table(path)
    assert kept.column_names[5:] == ["slice.region", "slice.sex"]
    assert asked_for_staging(r, model)[0] is RequestStatus.APPLIED


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        (20, {}, "insufficient evidence: accuracy is 0.9 on 20 examples, too few to say (at least 30)"),
        (
            60,
            {"thresholds": {"accuracy": {"min": 0.9}}, "definition": {"margins": {"accuracy": 0.01}}},
            "insufficient evidence: accuracy is",
        ),
        (
            400,
            {"definition": {"slices": ["region"], "minimumExamples": 250,
                            "sliceThresholds": {"accuracy": {"region=north": {"min": 0.5}}}}},
            "insufficient evidence: accuracy of region=north is",
        ),
        (
            400,
            {"definition": {"cases": [{"id": "wrong-way", "rows": [{"x": 4, "y": 4}], "expect": {"label": "0"}}]}},
            "case wrong-way: row 0: it is '1' and not '0'",
        ),
        (
            400,
            {"definition": {"safety": ["worst_slice_accuracy"], "slices": ["region"], "minimumExamples": 390},
             "thresholds": {"worst_slice_accuracy": {"min": 0.1}}},
            "worst_slice_accuracy could not be measured: no slice has 390 examples",
        ),
        (
            400,
            {"definition": {"safety": ["nan_safe"]}, "thresholds": {"nan_safe": {"min": 1}}},
            "nan_safe is 0, below the threshold 1",
        ),
    ],
)  # fmt: skip
def test_what_is_not_shown_does_not_pass(
    rows: int, changes: dict[str, Any], words: str, registry_under_test: RegistryUnderTest
) -> None:
    r = registry_under_test
    model = candidate(r)
    suite(r, model, grouped_csv(rows), **changes)
    (run,) = evaluated(r, model)
    assert run.status is EvaluationStatus.COMPLETED
    assert run.passed is False
    status, reasons = asked_for_staging(r, model)
    assert status is RequestStatus.DENIED
    assert words in " ".join(reasons), reasons


def test_tests_are_run_alone_and_on_newer_data(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = candidate(r)
    made = suite(r, model, grouped_csv(), **EVERYTHING)
    artifacts = _artifacts(r, model)
    metadata: dict[str, Any] = {}
    whole = execute_suite(r.platform, made, artifacts, metadata)
    assert whole.status == "completed"
    assert whole.passed
    assert [one.id for one in whole.tests] == list(made.test_ids)

    alone = execute_suite(r.platform, made, artifacts, metadata, case_ids=frozenset({"far-out", "elsewhere"}))
    assert [(one.id, one.outcome) for one in alone.tests] == [("far-out", "passed")]
    assert alone.results is not None
    assert alone.results["taskMetrics"] == {}

    limit = execute_suite(r.platform, made, artifacts, metadata, case_ids=frozenset({"holdout.flip_rate"}))
    assert [(one.id, one.outcome) for one in limit.tests] == [("holdout.flip_rate", "passed")]
    assert limit.results is not None
    assert set(limit.results["robustnessMetrics"]) == {"flip_rate", "flip_rate.noise"}

    nothing = execute_suite(r.platform, made, artifacts, metadata, case_ids=frozenset({"elsewhere"}))
    assert (nothing.status, nothing.passed, nothing.tests) == ("failed", False, ())

    newer = grouped_csv(100)
    upload = r.platform.store.open_upload(limit=len(newer))
    upload.write(newer)
    sample = execute_suite(r.platform, made, artifacts, metadata, dataset=(upload.finish().sha256, "csv"))
    assert sample.results is not None
    assert sample.results["examples"] == 100
    gone = execute_suite(r.platform, made, artifacts, metadata, dataset=("e" * 64, "csv"))
    assert gone.reason == "The weights or the dataset are gone from storage."


def test_a_suite_of_rows_needs_no_dataset(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = candidate(r)
    rows = {"cases": DEFINITION["cases"][:1]}
    made = suite(r, model, kind="smoke", metrics=[], thresholds={}, target=None, definition=rows)
    assert (made.dataset_id, made.dataset_sha256, made.target) == (None, None, None)
    (run,) = evaluated(r, model)
    assert run.passed
    assert run.results is not None
    assert run.results["examples"] == 1
    assert run.results["taskMetrics"] == {}
    assert asked_for_staging(r, model)[0] is RequestStatus.APPLIED


@pytest.mark.parametrize("better", [True, False])
def test_cases_that_have_to_pass_are_compared_exactly(better: bool, registry_under_test: RegistryUnderTest) -> None:
    """They are no sample, so that one of them is enough evidence."""
    r = registry_under_test
    model = candidate(r)
    r.version(model, "1.1.0", weights=onnx_model(good=False))
    rows = {"cases": DEFINITION["cases"][:1]}
    suite(r, model, kind="smoke", metrics=[], thresholds={}, target=None, definition=rows)
    for version in ("1.0.0", "1.1.0"):
        evaluated(r, model, version)
    new, old = ("1.0.0", "1.1.0") if better else ("1.1.0", "1.0.0")
    with r.unit() as uow:
        subject = uow.facts.subject(r.open(model, new, "evaluate"), TransitionName.APPROVE_STAGING)
        incumbent = {"versionId": uow.versions.get(model, old).id, "version": old}
    (found,) = compared_with_incumbent(r.platform, {**subject, "incumbent": incumbent}, alpha=0.05)
    assert (found["n"], found["conclusion"]) == (1, "not_worse" if better else "worse")
    assert found["upper"] == found["drop"]


def test_models_that_cannot_be_asked(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = r.model()
    r.version(model, "1.0.0", weights=b"no model at all")
    made = suite(r, model, grouped_csv())
    found = execute_suite(r.platform, made, _artifacts(r, model), {})
    assert (found.status, found.passed) == ("failed", False)
    assert found.reason == "Weights are evaluated in ONNX or skops; convert them, for example with skl2onnx."
    found = execute_suite(r.platform, made, [], {})
    assert found.reason is not None
    assert "exactly one weights artifact" in found.reason


def test_a_case_may_not_be_named_like_a_threshold(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    clash = {"cases": [{**DEFINITION["cases"][0], "id": "holdout.accuracy"}]}
    with pytest.raises(InvalidInput) as refusal:
        suite(r, r.model(), grouped_csv(), definition=clash)
    assert refusal.value.details["field"] == "definition.cases"


def test_evaluations_from_before_definitions_are_judged_as_they_were(registry_under_test: RegistryUnderTest) -> None:
    """An approval binds to a digest of the evidence, so nothing may be added to the evidence of older evaluations."""
    r = registry_under_test
    model = candidate(r)
    suite(r, model, grouped_csv())
    (run,) = evaluated(r, model)
    assert run.results is not None
    old = {name: run.results[name] for name in ("taskMetrics", "intervals", "confidence", "examples", "seconds")}
    old |= {"biasMetrics": {}, "safetyMetrics": {}, "robustnessMetrics": {}}
    with psycopg.connect(r.settings.database_url) as connection:
        values = (psycopg.types.json.Jsonb(old), run.id)
        connection.execute("update evaluations set results = %s where id = %s", values)
    request = r.open(model, "1.0.0", "submit")
    r.settle(request)
    request = r.open(model, "1.0.0", "approve_staging")
    (item,) = gather_evidence(r.platform, request).subject["evaluations"]
    assert set(item) == {
        "suiteId", "suiteName", "suiteDigest", "taskType", "margin", "thresholds", "evaluationId", "weightsSha256",
        "outcomesSha256", "taskMetrics", "executedAt",
    }  # fmt: skip
    r.approve(request, r.grace, r.alan, evidence=gather_evidence(r.platform, request))
    assert r.settle(request, gather_evidence(r.platform, request)).status is RequestStatus.APPLIED


def test_the_gate_tells_what_is_missing() -> None:
    def judged(**changes: Any) -> Any:
        conclusion = {"metric": "accuracy", "slice": None, "outcome": "passed", "reason": ""}
        fields = {"conclusions": [conclusion], "cases": [], "tests": {"total": 1, "passed": 1}, **changes}
        case: Case = sample_case(TransitionName.APPROVE_STAGING, subject={"evaluations": [sample_evaluation(**fields)]})
        return evaluate(ActivePolicy(EvaluationPassed(), 1), case).verdict

    assert isinstance(judged(), Passed)
    lacking = judged(conclusions=[{"metric": "accuracy", "slice": "a=b", "outcome": "passed", "reason": ""}])
    assert isinstance(lacking, Failed)
    assert "accuracy was not judged" in lacking.reasons[0]
    many = [{"id": f"c{i}", "outcome": "failed", "reason": "no"} for i in range(25)]
    told = judged(cases=many, tests={"total": 26, "passed": 1})
    assert isinstance(told, Failed)
    assert len(told.reasons) == 11
    assert "15 more cases" in told.reasons[-1]
    assert isinstance(judged(tests={"total": 2, "passed": 1}), Failed)


def _artifacts(r: RegistryUnderTest, model: str) -> list[dict[str, Any]]:
    request = r.open(model, "1.0.0", "evaluate")
    with r.unit() as uow:
        subject = uow.facts.subject(replace(request), TransitionName.EVALUATE)
    return list(subject["artifacts"])
