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
from governance.validation.runs import Ending, ValidationRun, counted, status_of, worst


def judged(runs: Sequence[ValidationRun]) -> dict[str, Ending]:
    """How each of the measured runs ends, by its id. The same runs give the same endings."""
    measurements = [
        Measurement.from_json(suite["measurement"])
        for run in runs
        for suite in (run.measured or {}).get("suites", ())
        if suite["measurement"] is not None
    ]
    verdicts = judge_night(measurements)
    return {run.id: _ending(run, verdicts) for run in runs}


def _ending(run: ValidationRun, verdicts: Mapping[str, Judgement]) -> Ending:
    measured = run.measured or {}
    suites = {
        suite["suite_id"]: verdicts[suite["measurement"]["key"]]
        for suite in measured.get("suites", ())
        if suite["measurement"] is not None
    }
    latency = _latency(measured.get("latency"))
    detected = [one for one in suites.values() if one.detected]
    slower = latency is not None and latency[1].alarm
    severity = worst([*(one.severity for one in detected), *([latency[1].severity] if latency and slower else [])])
    undecided = any(one.conclusion == "insufficient_evidence" for one in suites.values())
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
    )


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
