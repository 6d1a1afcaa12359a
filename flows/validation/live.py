"""What is known of a version's life in use: how long it takes, and whether its inputs have moved away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flows.gathering.drift import drift_report, pin_reference
from governance.evaluations import Suite
from governance.lifecycle import VersionState
from governance.models import ModelVersion
from governance.validation.runs import ValidationRun
from storage.composition import Platform, now
from storage.metrics.reading import nightly_latency

LATENCY_HOURS = 24
FEWEST_INFERENCES = 100  # below that a percentile of a day says little
DRIFT_DAYS = 7


def latency(platform: Platform, run: ValidationRun, version: ModelVersion) -> dict[str, Any] | None:
    """{"n", "p50_ms", "p95_ms", "state"} of the last 24 full hours; None for a version that nobody has ever reported.

    Percentiles are None below FEWEST_INFERENCES. state: of the series after the night before, which is kept then.
    """
    end = now().replace(minute=0, second=0, microsecond=0)
    with platform.engine.connect() as connection:
        found = nightly_latency(connection, [version.id], end - timedelta(hours=LATENCY_HOURS), end)
    state = None
    if run.night_id is not None:
        with platform.new_unit() as uow:
            state = uow.runs.last_latency(version.id, run.created_at)
    if version.id not in found and state is None:
        return None
    n, p50, p95 = found.get(version.id, (0, 0.0, 0.0))
    enough = n >= FEWEST_INFERENCES and p95 > 0
    return {"n": n, "p50_ms": p50 if enough else None, "p95_ms": p95 if enough else None, "state": state}


def drift(platform: Platform, version: ModelVersion, suites: Sequence[Suite]) -> dict[str, Any] | None:
    """{"verdict", "severity", "observations", "summary", "features"} of the last DRIFT_DAYS against the reference.

    A version in production without a reference gets one, from the first suite that has examples; from then on live
    observations can be counted. None without a reference.
    """
    if version.state is VersionState.PRODUCTION:
        for suite in suites:
            if suite.dataset_sha256 is not None and not isinstance(pin_reference(platform, version.id, suite), str):
                break
    until = now()
    report = drift_report(platform, version.id, until - timedelta(days=DRIFT_DAYS), until)
    if report is None:
        return None
    return {
        "verdict": report.verdict,
        "severity": report.severity,
        "observations": report.observations,
        "summary": report.sentence(),
        "features": [one.feature for one in report.drifted],
    }
