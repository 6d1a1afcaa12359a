"""Every suite of the model was run on exactly these weights or this endpoint, recently, and its thresholds hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case, sample_evaluation
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Verdict

MOST_CASES = 10  # that are told one by one


def threshold_failures(metrics: Mapping[str, Any], thresholds: Mapping[str, Any]) -> list[str]:
    """Sentences for every metric beyond its limit. A metric that was not computed, or is not finite, is a failure."""
    failures: list[str] = []
    for metric, limits in sorted(thresholds.items()):
        value = metrics.get(metric)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            failures.append(f"{metric} has no finite value and its threshold needs one")
            continue
        if "min" in limits and not value >= limits["min"]:
            failures.append(f"{metric} is {value:.4g}, below the threshold {limits['min']:g}")
        if "max" in limits and not value <= limits["max"]:
            failures.append(f"{metric} is {value:.4g}, above the threshold {limits['max']:g}")
    return failures


def _judged(item: Mapping[str, Any]) -> list[str]:
    """What an evaluation that carries its own conclusions lacks: every threshold and every case has to have passed.

    Evidence that decides nothing is no pass. Evaluations from before there were conclusions are judged by their task
    metrics alone.
    """
    concluded = {one["metric"] for one in item["conclusions"] if one["slice"] is None}
    problems = [f"{metric} was not judged" for metric in sorted(set(item["thresholds"]) - concluded)]
    problems += [_sentence(one["reason"], one) for one in item["conclusions"] if one["outcome"] != "passed"]
    cases = [_sentence(f"case {one['id']}: {one['reason']}", one) for one in item["cases"]]
    problems += cases[:MOST_CASES]
    if len(cases) > MOST_CASES:
        problems.append(f"and {len(cases) - MOST_CASES} more cases")
    if not problems and (item["tests"]["total"] == 0 or item["tests"]["passed"] != item["tests"]["total"]):
        problems.append(f"{item['tests']['passed']} of {item['tests']['total']} tests passed")
    return problems


def _sentence(reason: str, one: Mapping[str, Any]) -> str:
    return f"insufficient evidence: {reason}" if one["outcome"] == "insufficient_evidence" else reason


@dataclass(frozen=True)
class EvaluationPassed(Policy):
    name: ClassVar[str] = "evaluation"
    title: ClassVar[str] = "Has it been evaluated, and well enough?"
    kind: ClassVar[Kind] = "compliance"
    transitions: ClassVar = frozenset(
        {
            TransitionName.APPROVE_STAGING,
            TransitionName.APPROVE_PRODUCTION,
            TransitionName.PROMOTE_PRODUCTION,
        }
    )
    maximum_age_days: float = 30.0

    def judge(self, case: Case) -> Verdict:
        subject = case.evidence.subject
        evaluations = subject["evaluations"]
        if not evaluations:
            return Failed(("The model has no evaluation suite.",))
        weights = {a["sha256"] for a in subject["artifacts"] if a["type"] == "weights"}
        reasons: list[str] = []
        for item in evaluations:
            problems = self._problems(item, weights, subject["version"].get("endpointDigest"), case.as_of)
            reasons += [f"Suite {item['suiteName']!r}: {why}." for why in problems]
        if reasons:
            return Failed(tuple(reasons))
        return Passed(f"{len(evaluations)} suite(s) evaluated, thresholds met.")

    def _problems(self, item: Mapping[str, Any], weights: set[str], endpoint: str | None, as_of: datetime) -> list[str]:
        if item["evaluationId"] is None:
            return ["not evaluated yet"]
        if not weights and item.get("endpointDigest") is not None:
            if item["endpointDigest"] != endpoint:
                return ["evaluated through another endpoint than the version names now"]
        elif {item["weightsSha256"]} != weights:  # a second file may not ride on the results of the first
            return ["evaluated with other weights than the version has now"]
        problems = (
            _judged(item) if "conclusions" in item else threshold_failures(item["taskMetrics"], item["thresholds"])
        )
        age = as_of - datetime.fromisoformat(item["executedAt"])
        if age > timedelta(days=self.maximum_age_days):
            problems.append(f"evaluated {age.days} days ago, more than {self.maximum_age_days:g}")
        return problems

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_STAGING

        def case(**changes: Any) -> Case:
            return sample_case(ask, subject={"evaluations": [sample_evaluation(**changes)]})

        def judged(outcome: str) -> Case:
            conclusion = {"metric": "accuracy", "slice": None, "outcome": outcome, "reason": "accuracy is 0.95"}
            tests = {"total": 1, "passed": int(outcome == "passed")}
            return case(conclusions=[conclusion], cases=[], tests=tests)

        def served(*, of: str) -> Case:
            """Served at one endpoint, evaluated through another or the same, with no weights at all."""
            version = {**sample_case(ask).evidence.subject["version"], "endpointDigest": "sha256:" + "e" * 64}
            run = sample_evaluation(weightsSha256=None, endpointDigest="sha256:" + of * 64)
            return sample_case(ask, subject={"artifacts": [], "version": version, "evaluations": [run]})

        return (
            (sample_case(ask), judged("passed"), served(of="e")),
            (
                sample_case(ask, subject={"evaluations": []}),
                case(evaluationId=None),
                case(taskMetrics={"accuracy": 0.89}),
                case(taskMetrics={}),
                case(weightsSha256="b" * 64),
                served(of="f"),
                case(weightsSha256=None, endpointDigest="sha256:" + "e" * 64),  # the version has weights
                case(executedAt="2025-11-01T00:00:00Z"),
                *(judged(outcome) for outcome in ("failed", "error", "insufficient_evidence")),
                case(conclusions=[], cases=[], tests={"total": 0, "passed": 0}),
            ),
        )
