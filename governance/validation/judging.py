"""The judgement of a night over all models at once, or of one run alone.

Many tests need one correction, so a night is judged when its runs are measured. A run outside of a night is a family
of its own: its verdict stands alone and moves no detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from governance.regression.measurements import Judgement, Measurement
from governance.regression.night import judge_night
from governance.regression.series import SeriesJudgement, SeriesState, advance_series
from governance.validation.runs import Ending, RunStatus, ValidationRun, counted, status_of, worst


def judged(runs: Sequence[ValidationRun]) -> dict[str, Ending]:
    """How each of the measured runs ends, by its id. The same runs give the same endings.

    What one run holds cannot spoil the judgement of the others: a run that cannot be judged ends as an error.
    """
    read = {run.id: _measurements(run) for run in runs}
    verdicts = judge_night([one for found in read.values() if found is not None for one in found.values()])
    endings = {}
    for run in runs:
        found = read[run.id]
        try:
            endings[run.id] = _ending(run, {suite: verdicts[one.key] for suite, one in (found or {}).items()})
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            found = None
        if found is None:
            endings[run.id] = unjudged(run, "What was measured cannot be judged.")
    return endings


def unjudged(run: ValidationRun, reason: str) -> Ending:
    """The end of a run that cannot be judged, whatever else it holds."""
    empty: dict[str, Any] = {"suites": {}, "latency": None, "drift": None}
    return Ending(RunStatus.ERROR, reason, False, "none", empty, counted(run.tests))


def _measurements(run: ValidationRun) -> dict[str, Measurement] | None:
    """By suite; None when they cannot be read."""
    try:
        return {
            suite["suite_id"]: Measurement.from_json(suite["measurement"])
            for suite in (run.measured or {}).get("suites", ())
            if suite["measurement"] is not None
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _ending(run: ValidationRun, suites: Mapping[str, Judgement]) -> Ending:
    """undecided: a comparison that the examples do not decide, or that could not be made though there is a baseline."""
    measured = run.measured or {}
    told = {suite["suite_id"]: suite for suite in measured.get("suites", ())}
    latency = _latency(measured.get("latency"))
    detected = [one for one in suites.values() if one.detected]
    slower = latency is not None and latency[1].alarm
    severity = worst([*(one.severity for one in detected), *([latency[1].severity] if latency and slower else [])])
    undecided = any(one.conclusion == "insufficient_evidence" for one in suites.values()) or any(
        suite["baseline"] is not None and suite["measurement"] is None and not suite.get("is_baseline")
        for suite in told.values()
    )
    status, reason = status_of(run.tests, regression=bool(detected) or slower, undecided=undecided)
    return Ending(
        status=status,
        reason=reason,
        regression_detected=bool(detected) or slower,
        regression_severity=severity,
        judged={
            "suites": {suite_id: one.to_json() for suite_id, one in suites.items()},
            "latency": _latency_json(latency),
            "drift": _drift(measured.get("drift")),
        },
        counts=counted(run.tests),
        takes_back=any(_takes_back(one, told[suite_id]) for suite_id, one in suites.items()),
    )


def _takes_back(found: Judgement, suite: Mapping[str, Any]) -> bool:
    """Worth asking for a rollback without waiting for anybody: both versions answered the same examples, the drop is at
    least of severity medium, and more right answers are lost than the suite tolerates, which is what people approved.
    """
    if not found.detected or found.evidence != "paired" or found.severity not in ("medium", "high"):
        return False
    if (suite["measurement"]["overall"] or {}).get("kind") != "counts":
        return True
    return found.bound is not None and found.bound > float(suite.get("margin") or 0.0)


def _latency(told: Mapping[str, Any] | None) -> tuple[SeriesState, SeriesJudgement] | None:
    """told: {"p95_ms", "state", ...} of the live metrics; state: after the night before. A day with too few inferences
    says nothing, and what was known before is kept.
    """
    if told is None:
        return None
    state = SeriesState.from_json(told["state"]) if told.get("state") else None
    if told.get("p95_ms") is None:
        silent = SeriesJudgement(False, 0.0, "none", "Too few inferences were reported to tell.")
        return (state, silent) if state is not None else None
    return advance_series(state, float(told["p95_ms"]))


def _latency_json(found: tuple[SeriesState, SeriesJudgement] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    state, verdict = found
    return {
        "alarm": verdict.alarm,
        "change": verdict.change,
        "severity": verdict.severity,
        "reason": verdict.reason,
        "state": state.to_json(),
    }


def _drift(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {"severity": told.get("severity"), "features": told.get("features", [])}
