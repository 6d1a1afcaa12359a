"""Thresholds at, around and beyond their limits, and results that are too old or of other weights."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.evaluation import EvaluationPassed, threshold_failures
from governance.policies.samples import NOON, sample_case, sample_evaluation

ASK = TransitionName.APPROVE_STAGING


def case(*evaluations: dict[str, Any]) -> Case:
    return sample_case(ASK, subject={"evaluations": list(evaluations)})


@pytest.mark.parametrize(
    ("value", "limits", "holds"),
    [
        (0.9, {"min": 0.9}, True),
        (math.nextafter(0.9, 0), {"min": 0.9}, False),
        (0.4, {"max": 0.4}, True),
        (math.nextafter(0.4, 1), {"max": 0.4}, False),
        (0.5, {"min": 0.4, "max": 0.6}, True),
        (0.3, {"min": 0.4, "max": 0.6}, False),
        (0.7, {"min": 0.4, "max": 0.6}, False),
        (0, {"min": 0}, True),
        (-0.1, {"min": 0}, False),
        (math.nan, {"min": 0.0}, False),
        (math.nan, {"max": 1.0}, False),
        (math.inf, {"min": 0.9}, False),
        (-math.inf, {"max": 0.9}, False),
        (None, {"min": 0.0}, False),
        ("0.95", {"min": 0.9}, False),
        (True, {"min": 0.9}, False),
    ],
)
def test_a_limit(value: Any, limits: dict[str, float], holds: bool) -> None:
    failures = threshold_failures({"metric": value}, {"metric": limits})
    assert (failures == []) == holds, failures


def test_a_metric_that_was_not_computed_fails_its_threshold() -> None:
    assert threshold_failures({}, {"accuracy": {"min": 0.0}})
    assert threshold_failures({"Accuracy": 1.0}, {"accuracy": {"min": 0.0}})


def test_every_broken_limit_is_told() -> None:
    metrics = {"accuracy": 0.5, "log_loss": 3.0, "f1": 0.9}
    thresholds = {
        "accuracy": {"min": 0.9},
        "log_loss": {"max": 0.4},
        "f1": {"min": 0.8},
        "recall": {"min": 0.1},
    }
    assert len(threshold_failures(metrics, thresholds)) == 3


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(), "passed"),
        (timedelta(days=30), "passed"),
        (timedelta(days=30, microseconds=1), "failed"),
    ],
)
def test_age(age: timedelta, outcome: str) -> None:
    executed = (NOON - age).isoformat().replace("+00:00", "Z")
    assert EvaluationPassed().judge(case(sample_evaluation(executedAt=executed))).outcome == outcome


def test_one_bad_suite_among_good_ones_is_enough() -> None:
    good = sample_evaluation()
    for bad in (
        sample_evaluation(suiteId="s2", suiteName="second", evaluationId=None),
        sample_evaluation(suiteId="s2", suiteName="second", taskMetrics={"accuracy": 0.1}),
        sample_evaluation(suiteId="s2", suiteName="second", weightsSha256="b" * 64),
    ):
        verdict = EvaluationPassed().judge(case(good, bad))
        assert verdict.outcome == "failed"
        assert all("second" in reason for reason in verdict.reasons)


def test_results_of_other_weights_do_not_count_however_good() -> None:
    verdict = EvaluationPassed().judge(case(sample_evaluation(weightsSha256=None)))
    assert verdict.outcome == "failed"
    assert "other weights" in verdict.reasons[0]


def test_every_weights_file_must_have_been_evaluated() -> None:
    """A second, never evaluated weights file may not ride on the results of the first."""
    two = [
        {"id": name, "type": "weights", "name": f"{name}.onnx", "sha256": name * 64, "size": 1} for name in ("a", "b")
    ]
    verdict = EvaluationPassed().judge(sample_case(ASK, subject={"artifacts": two}))
    assert verdict.outcome == "failed"
