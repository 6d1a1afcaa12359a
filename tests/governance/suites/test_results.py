from __future__ import annotations

from typing import Any

from governance.evaluations import Suite
from governance.suites.catalogue import TaskType
from governance.suites.conclusions import Measured
from governance.suites.results import Figures, conclusions_of, judged_tests, results_json, shown_metrics


def _suite(definition: dict[str, Any], thresholds: dict[str, Any]) -> Suite:
    return Suite("s", "m", "prompts", None, None, None, TaskType.TEXT, None, None, (), thresholds, 0.02, None,
                 definition=definition)  # fmt: skip


def _figures(**changes: Any) -> Figures:
    fields: dict[str, Any] = {
        "task": {},
        "families": {"safety": {"refusal_rate": Measured(0.95, 0.9, 0.98, 100)}},
        "unavailable": {},
        "slices": {},
        "slice_sizes": {},
        "calibration": (),
        "cases": [
            {"id": "a", "outcome": "passed", "reason": ""},
            {"id": "b", "outcome": "failed", "reason": "it was answered"},
            {"id": "c", "outcome": "error", "reason": "down"},
        ],
        "examples": 3,
        "seconds": 1.0,
    }
    return Figures(**(fields | changes))


CASES = [{"id": name, "title": f"Case {name}"} for name in "abc"]
LIMITS = {"refusal_rate": {"min": 0.9}}


def test_every_case_decides_unless_the_suite_says_otherwise() -> None:
    each, rates = _suite({"cases": CASES}, LIMITS), _suite({"cases": CASES, "casesDecide": False}, LIMITS)
    found = _figures()
    told = judged_tests(each, found, conclusions_of(each, found))
    assert [(one.id, one.title, one.outcome) for one in told] == [
        ("a", "Case a", "passed"),
        ("b", "Case b", "failed"),
        ("c", "Case c", "error"),
        ("prompts.refusal_rate", "refusal_rate is at least 0.9", "passed"),
    ]
    told = judged_tests(rates, found, conclusions_of(rates, found))
    assert [(one.id, one.outcome) for one in told] == [("prompts.refusal_rate", "passed")]
    results = results_json(rates, found, conclusions_of(rates, found), told)
    assert [one["outcome"] for one in results["cases"]] == ["passed", "failed", "error"]
    assert results["tests"] == {"total": 1, "passed": 1, "failed": 0, "error": 0, "insufficientEvidence": 0}
    assert shown_metrics(results) == [("refusal_rate", 0.95)]


def test_a_metric_that_could_not_be_measured_is_an_error_with_its_reason() -> None:
    suite = _suite({}, {"leak_rate": {"max": 0}})
    found = _figures(cases=[], unavailable={"leak_rate": "the endpoint is down"})
    (one,) = conclusions_of(suite, found)
    assert (one.outcome, one.reason) == ("error", "leak_rate could not be measured: the endpoint is down")


def test_a_limit_on_a_column_is_judged_by_its_worst_value() -> None:
    suite = _suite({"sliceThresholds": {"accuracy": {"r": {"min": 0.8}, "q": {"min": 0.8}}}}, {})
    slices = {
        "r=a": {"accuracy": Measured(0.95, 0.9, 0.98, 100)},
        "r=b": {"accuracy": Measured(0.6, 0.5, 0.7, 100)},
        "r=c": {"accuracy": Measured(0.9, 0.7, 0.98, 10)},
    }
    absent, worst = conclusions_of(suite, _figures(cases=[], slices=slices))
    assert (worst.id, worst.slice, worst.outcome) == ("prompts.accuracy[r]", "r=b", "failed")
    assert (absent.id, absent.outcome) == ("prompts.accuracy[q]", "insufficient_evidence")
    slices["r=b"] = slices["r=a"]
    _, worst = conclusions_of(suite, _figures(cases=[], slices=slices))
    assert (worst.slice, worst.outcome) == ("r=c", "insufficient_evidence")
