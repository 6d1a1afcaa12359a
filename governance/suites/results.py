"""What an evaluation found, judged by its suite, in the shape in which it is kept and shown.

{"taskMetrics", "biasMetrics", "safetyMetrics", "robustnessMetrics": {name: number} (governance-design, Evaluation
Entity), "performanceMetrics": the same where speed was measured, "intervals": {name: {"low", "high"}} at "confidence",
"details": {name: {"n", "minimumDetectableEffect"}}, "slices": {"<column>=<value>": {"n", "metrics", "intervals"}},
"cases": [test], "casesDecide": bool, "conclusions": [{"id", "metric", "slice", "outcome", "reason", "limits", "margin",
"value", "low", "high", "n", "minimumDetectableEffect"}], "unavailable": {name: why}, "tests": {"total", "passed",
"failed", "error", "insufficientEvidence"}, "calibration": {"bins": [{"confidence", "share", "n"}]} of a classifier with
probabilities, "examples", "seconds"}

The minimum detectable effect is in the unit of the metric; see `governance.suites.conclusions` for it and for what the
outcomes mean. n is null for what is no sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.evaluations import Suite
from governance.suites.conclusions import MINIMUM_EXAMPLES, Measured, Outcome, TestResult, conclude

CONFIDENCE = 0.95
FAMILIES = {
    "bias": "biasMetrics",
    "safety": "safetyMetrics",
    "robustness": "robustnessMetrics",
    "performance": "performanceMetrics",
}


@dataclass(frozen=True)
class Figures:
    """Everything that was measured. slices: by "column=value", then by metric. calibration: (mean confidence, share of
    right answers, examples) of each bin. cases: {"id", "outcome", "reason"}.
    """

    task: Mapping[str, Measured]
    families: Mapping[str, Mapping[str, Measured]]
    unavailable: Mapping[str, str]
    slices: Mapping[str, Mapping[str, Measured]]
    slice_sizes: Mapping[str, int]
    calibration: Sequence[tuple[float, float, int]]
    cases: Sequence[Mapping[str, str]]
    examples: int
    seconds: float

    def all(self) -> dict[str, Measured]:
        found = dict(self.task)
        for figures in self.families.values():
            found |= figures
        return found


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A threshold and what the figure says about it. slice: None for all examples."""

    id: str
    metric: str
    slice: str | None
    limits: Mapping[str, float]
    margin: float | None
    measured: Measured | None
    outcome: Outcome
    reason: str

    def to_json(self) -> dict[str, Any]:
        found = self.measured
        return {
            "id": self.id,
            "metric": self.metric,
            "slice": self.slice,
            "outcome": self.outcome,
            "reason": self.reason,
            "limits": dict(self.limits),
            "margin": self.margin,
            "value": found.value if found else None,
            "low": found.low if found else None,
            "high": found.high if found else None,
            "n": found.n if found else None,
            "minimumDetectableEffect": found.minimum_detectable_effect if found else None,
        }


def conclusions_of(suite: Suite, figures: Figures) -> tuple[Conclusion, ...]:
    """One for every threshold; one on a column has the conclusion of the worst of its values."""
    found = figures.all()
    general = [
        _conclusion(suite, metric, None, limits, found.get(metric), figures.unavailable.get(metric))
        for metric, limits in sorted(suite.thresholds.items())
    ]
    return (*general, *_by_slice(suite, figures))


def _by_slice(suite: Suite, figures: Figures) -> Iterator[Conclusion]:
    for metric, by_slice in sorted(suite.definition.get("sliceThresholds", {}).items()):
        for name, limits in sorted(by_slice.items()):
            if "=" in name:
                measured = figures.slices.get(name, {}).get(metric)
                yield _conclusion(suite, metric, name, limits, measured, None)
                continue
            each = [
                _conclusion(suite, metric, one, limits, metrics.get(metric), None)
                for one, metrics in sorted(figures.slices.items())
                if one.partition("=")[0] == name
            ]
            worst = max(each, key=lambda one: _SEVERITY[one.outcome], default=None)
            about = f"{suite.name}.{metric}[{name}]"
            if worst is None:
                why = f"{metric} has no value in any slice by {name}"
                yield Conclusion(about, metric, name, limits, None, None, "insufficient_evidence", why)
            else:
                yield Conclusion(
                    about, metric, worst.slice, limits, worst.margin, worst.measured, worst.outcome, worst.reason
                )


_SEVERITY: Mapping[str, int] = {"passed": 0, "insufficient_evidence": 1, "error": 2, "failed": 3}


def _conclusion(
    suite: Suite,
    metric: str,
    in_slice: str | None,
    limits: Mapping[str, float],
    measured: Measured | None,
    unavailable: str | None,
) -> Conclusion:
    definition = suite.definition
    margin = definition.get("margins", {}).get(metric)
    outcome, reason = conclude(
        metric if in_slice is None else f"{metric} of {in_slice}",
        limits,
        measured,
        margin=margin,
        precision=definition.get("minimumPrecision", {}).get(metric),
        minimum=definition.get("minimumExamples", MINIMUM_EXAMPLES),
    )
    if measured is None and unavailable is not None:
        outcome, reason = "error", f"{metric} could not be measured: {unavailable}"
    about = f"{suite.name}.{metric}" + (f"[{in_slice}]" if in_slice is not None else "")
    return Conclusion(about, metric, in_slice, limits, margin, measured, outcome, reason)


def judged_tests(suite: Suite, figures: Figures, conclusions: Sequence[Conclusion]) -> tuple[TestResult, ...]:
    """Cases first, in the suite's order, then thresholds; thresholds alone where the cases do not decide."""
    cases = _cases(suite, figures)
    limits = [TestResult(one.id, _title(one), one.outcome, one.reason) for one in conclusions]
    return (*cases, *limits) if suite.definition.get("casesDecide", True) else tuple(limits)


def _cases(suite: Suite, figures: Figures) -> list[TestResult]:
    titles = {case["id"]: case.get("title", case["id"]) for case in suite.definition.get("cases", ())}
    return [TestResult(one["id"], titles[one["id"]], _outcome(one["outcome"]), one["reason"]) for one in figures.cases]


def _outcome(told: str) -> Outcome:
    match told:
        case "passed" | "failed" | "insufficient_evidence":
            return told
        case _:
            return "error"


def _title(one: Conclusion) -> str:
    told = " and ".join(f"{'at least' if name == 'min' else 'at most'} {x:g}" for name, x in sorted(one.limits.items()))
    where = f" of {one.slice}" if one.slice else ""
    return f"{one.metric}{where} is {told}"


def results_json(
    suite: Suite, figures: Figures, conclusions: Sequence[Conclusion], tests: Sequence[TestResult]
) -> dict[str, Any]:
    families = {title: _values(figures.families.get(family, {})) for family, title in FAMILIES.items()}
    if "performance" not in suite.definition:
        del families["performanceMetrics"]
    everything = figures.all()
    count = Counter(one.outcome for one in tests)
    return {
        "taskMetrics": _values(figures.task),
        **families,
        "intervals": _intervals(everything),
        "confidence": CONFIDENCE,
        "details": {
            name: {"n": one.n, "minimumDetectableEffect": one.minimum_detectable_effect}
            for name, one in sorted(everything.items())
        },
        "slices": {
            name: {"n": size, "metrics": _values(figures.slices[name]), "intervals": _intervals(figures.slices[name])}
            for name, size in sorted(figures.slice_sizes.items())
        },
        "cases": [one.to_json() for one in _cases(suite, figures)],
        "casesDecide": suite.definition.get("casesDecide", True),
        "conclusions": [one.to_json() for one in conclusions],
        "unavailable": dict(sorted(figures.unavailable.items())),
        "tests": {
            "total": len(tests),
            "passed": count["passed"],
            "failed": count["failed"],
            "error": count["error"],
            "insufficientEvidence": count["insufficient_evidence"],
        },
        **({"calibration": {"bins": _bins(figures)}} if figures.calibration else {}),
        "examples": figures.examples,
        "seconds": figures.seconds,
    }


def _bins(figures: Figures) -> list[dict[str, float]]:
    return [{"confidence": round(c, 12), "share": round(s, 12), "n": n} for c, s, n in figures.calibration]


def shown_metrics(item: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and values of all families in an evaluation's results or its part of the evidence; task metrics first."""
    families = ("taskMetrics", *FAMILIES.values())
    return [pair for family in families for pair in sorted((item.get(family) or {}).items())]


def _values(figures: Mapping[str, Measured]) -> dict[str, float]:
    return {name: one.value for name, one in sorted(figures.items())}


def _intervals(figures: Mapping[str, Measured]) -> dict[str, Any]:
    return {name: {"low": one.low, "high": one.high} for name, one in sorted(figures.items()) if one.low is not None}
