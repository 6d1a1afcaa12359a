"""One validation run: a version, the tests of its suites, and what they say (enterprise registry, Validation).

A run is `queued`, `running` while its suites are executed, and `measured` when only the judgement is missing: in a
night that is made over all models at once, since the correction for many tests needs all of them. It ends `passed`,
`failed`, `error` (a suite could not be executed) or `insufficient_evidence`, and never changes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Outcome = Literal["passed", "failed", "error", "insufficient_evidence"]
Severity = Literal["none", "low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("none", "low", "medium", "high")


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    MEASURED = "measured"
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    INSUFFICIENT = "insufficient_evidence"


UNMEASURED = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})
SETTLED = frozenset({RunStatus.PASSED, RunStatus.FAILED, RunStatus.ERROR, RunStatus.INSUFFICIENT})


@dataclass(frozen=True, slots=True)
class ValidationRun:
    """night_id, batch: of the night that it belongs to, if any. case_ids: the tests to run, None for all.

    tests, measured and judged are JSON as `storage.tables.validation` keeps it.
    """

    id: str
    run_id: str
    model_id: str
    version_id: str
    status: RunStatus
    created_at: datetime
    night_id: str | None = None
    batch: int | None = None
    case_ids: tuple[str, ...] | None = None
    requested_by: str | None = None
    flow_run_id: str | None = None
    attempt: int = 1
    tests: tuple[Mapping[str, Any], ...] = ()
    measured: Mapping[str, Any] | None = None
    judged: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class Measured:
    """What the execution of a version's suites found, before anybody compares it with the rest of the fleet.

    tests: {"id", "title", "suite_id", "suite", "outcome", "reason"} each.
    suites: {"suite_id", "suite", "kind", "dataset_sha256", "outcomes_sha256", "reused", "status", "reason", "results",
        "score", "lower_is_better", "margin", "n", "baseline", "is_baseline", "measurement", "not_compared"} each;
        `measurement` is a `governance.regression` Measurement, is_baseline: it would be compared with itself.
    latency, drift, data: of the live metrics, the live inputs and the suites' datasets; None or empty without any.
    """

    tests: tuple[Mapping[str, Any], ...] = ()
    suites: tuple[Mapping[str, Any], ...] = ()
    latency: Mapping[str, Any] | None = None
    drift: Mapping[str, Any] | None = None
    data: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "suites": [dict(suite) for suite in self.suites],
            "latency": dict(self.latency) if self.latency is not None else None,
            "drift": dict(self.drift) if self.drift is not None else None,
            "data": [dict(item) for item in self.data],
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends. takes_back: a canary is asked to go, see `governance.validation.judging`."""

    status: RunStatus
    reason: str | None
    regression_detected: bool
    regression_severity: Severity
    judged: Mapping[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)
    takes_back: bool = False


def run_lease(run_id: str) -> str:
    """Held by whoever executes a run outside of a night."""
    return f"validation:{run_id}"


def public_id(run_id: str, version_id: str, at: datetime) -> str:
    """As the document shows it: validation_<model>_<seconds since 1970>, and the end of the run's own id, since one
    version may be validated twice within a second.
    """
    return f"validation_{version_id}_{int(at.timestamp())}_{run_id[-8:]}"


def counted(tests: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """{"total", "passed", "failed", "error", "undecided"}"""
    outcomes = [test["outcome"] for test in tests]
    return {
        "total": len(outcomes),
        "passed": outcomes.count("passed"),
        "failed": outcomes.count("failed"),
        "error": outcomes.count("error"),
        "undecided": outcomes.count("insufficient_evidence"),
    }


def status_of(tests: Sequence[Mapping[str, Any]], *, regression: bool, undecided: bool) -> tuple[RunStatus, str | None]:
    """(how the run ends, why). The worst decides: an error, then a failure or a regression, then what the examples
    cannot tell. A run without a single test has shown nothing, and so it does not pass.

    undecided: a comparison with a baseline could not be decided.
    """
    counts = counted(tests)
    if counts["error"]:
        return RunStatus.ERROR, _first(tests, "error", counts["error"])
    if counts["failed"]:
        return RunStatus.FAILED, _first(tests, "failed", counts["failed"])
    if regression:
        return RunStatus.FAILED, "It is worse than its baseline."
    if counts["undecided"]:
        return RunStatus.INSUFFICIENT, _first(tests, "insufficient_evidence", counts["undecided"])
    if not counts["total"]:
        return RunStatus.INSUFFICIENT, "The model has no test that could be run."
    if undecided:
        return RunStatus.INSUFFICIENT, "Its examples are too few to tell whether it is worse than its baseline."
    return RunStatus.PASSED, None


def _first(tests: Sequence[Mapping[str, Any]], outcome: str, count: int) -> str:
    first = next(test for test in tests if test["outcome"] == outcome)
    text = f"{first['title']}: {first['reason'] or outcome}"
    return text if count == 1 else f"{text} (and {count - 1} more)"


def worst(severities: Iterable[str]) -> Severity:
    found = [SEVERITIES.index(one) for one in severities if one in SEVERITIES]
    return SEVERITIES[max(found, default=0)]
