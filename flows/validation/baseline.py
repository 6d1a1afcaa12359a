"""A version's answers against those of the pinned baseline, example by example where both answered the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.evaluation.comparison import Incomparable, PairedCounts, PairedLosses, compare_outcomes
from flows.evaluation.totals import right_answers
from governance.artifact_store import BlobMissing
from governance.canonical import rendered
from governance.evaluations import Suite
from governance.lifecycle import VersionState
from governance.models import ModelVersion
from governance.operations.baselines import lower_is_better, pin
from governance.regression.measurements import Counts, DriftState, Figures, Losses, Measurement, Totals
from governance.validation.baselines import GUARD_DAYS, Baseline, best_of
from governance.validation.runs import ValidationRun
from storage.composition import Platform

if TYPE_CHECKING:
    from flows.validation.measuring import Ran


@dataclass(frozen=True, slots=True)
class Compared:
    """measurement: None with the reason why there is none. baseline: as a run shows it."""

    measurement: Measurement | None = None
    baseline: Mapping[str, Any] | None = None
    not_compared: str | None = None


def compared(
    platform: Platform, run: ValidationRun, version: ModelVersion, ran: Ran, previous: ValidationRun | None
) -> Compared:
    """Against the suite's pin. What has no pair is compared by its totals alone, and marked so."""
    if ran.execution.outcomes_sha256 is None or ran.dataset is None:
        return Compared(not_compared=ran.execution.reason or "The suite leaves no answers to examples.")
    baseline = _pinned(platform, version, ran.suite)
    if baseline is None:
        return Compared(not_compared="No version of the model has been promoted with results of this suite.")
    shown = {
        "id": baseline.id,
        "version_id": baseline.version_id,
        "version": baseline.version,
        "score": baseline.score,
        "pinned_at": rendered(baseline.pinned_at),
    }
    if baseline.version_id == version.id and baseline.outcomes_sha256 == ran.execution.outcomes_sha256 and ran.settled:
        return Compared(baseline=shown, not_compared="It is the baseline itself, on the same examples.")
    try:
        measurement = _measurement(platform, run, version, ran, baseline, previous)
    except BlobMissing:
        return Compared(baseline=shown, not_compared="The baseline's answers are gone from storage.")
    if isinstance(measurement, str):
        return Compared(baseline=shown, not_compared=measurement)
    return Compared(measurement, shown)


def _pinned(platform: Platform, version: ModelVersion, suite: Suite) -> Baseline | None:
    """A version that was promoted before its suite had results is pinned by the first that it has."""
    with platform.new_unit() as uow:
        found = uow.baselines.pinned(suite.id)
        if found is not None or version.state is not VersionState.PRODUCTION:
            return found
        evaluation = uow.evaluations.latest(version.id, suite.id)
        if evaluation is None or evaluation.outcomes_sha256 is None or suite.dataset_sha256 is None:
            return None
        found = pin(uow, platform.system_call(), version, suite, evaluation, None)
        uow.commit()
        return found


def _measurement(
    platform: Platform,
    run: ValidationRun,
    version: ModelVersion,
    ran: Ran,
    baseline: Baseline,
    previous: ValidationRun | None,
) -> Measurement | str:
    assert ran.dataset is not None  # noqa: S101
    candidate = ran.execution.outcomes_sha256
    assert candidate is not None  # noqa: S101
    before = _entry(previous, "measured", ran.suite.id)
    found = _against(platform, version, ran, baseline, candidate)
    if isinstance(found, str):
        return found
    overall, slices = found
    kind = type(overall)
    same_pin = before is not None and (before["baseline"] or {}).get("id") == baseline.id
    return Measurement(
        key=f"{version.id}:{ran.suite.id}",
        evidence="aggregate" if kind is Totals else "paired",
        overall=overall,
        slices={name: one for name, one in slices.items() if type(one) is kind},
        fresh=run.night_id is not None and (before is None or not same_pin or before["outcomes_sha256"] != candidate),
        guard=_guard(platform, version, ran, baseline, candidate, kind, run),
        detector=_detector(_entry(previous, "judged", ran.suite.id), kind) if same_pin else None,
        breached=_breached(ran),
    )


def _against(
    platform: Platform, version: ModelVersion, ran: Ran, baseline: Baseline, candidate: str
) -> tuple[Figures, Mapping[str, Figures]] | str:
    """Figures overall and by slice, or why there are none."""
    assert ran.dataset is not None  # noqa: S101
    if baseline.dataset_sha256 == ran.dataset[0]:
        reference: str | None = baseline.outcomes_sha256
    elif baseline.version_id == version.id:
        return _totals(platform, candidate, baseline.outcomes_sha256)  # newer examples of what it was pinned with
    else:
        reference = _outcomes_on(platform, baseline.version_id, ran)
    if reference is None:
        return _totals(platform, candidate, baseline.outcomes_sha256)
    return _pairs(platform, candidate, reference)


def _outcomes_on(platform: Platform, version_id: str, ran: Ran) -> str | None:
    """What another version answers to the same examples, executed for this if nobody knows."""
    from flows.validation.measuring import ran_on

    with platform.new_unit() as uow:
        other = uow.versions.by_id(version_id)
    return ran_on(platform, other, ran.suite, ran.dataset).execution.outcomes_sha256


def _guard(
    platform: Platform,
    version: ModelVersion,
    ran: Ran,
    baseline: Baseline,
    candidate: str,
    kind: type[Figures],
    run: ValidationRun,
) -> Figures | None:
    """Against the best approved version of the last 90 days: small losses, one after the other, add up."""
    assert ran.dataset is not None  # noqa: S101
    with platform.new_unit() as uow:
        pins = uow.baselines.since(ran.suite.id, run.created_at - GUARD_DAYS)
    best = best_of(pins, baseline, run.created_at, lower_is_better=lower_is_better(ran.execution.results))
    if best is None or best.version_id == version.id or kind is Totals:
        return None
    same = best.dataset_sha256 == ran.dataset[0]
    reference = best.outcomes_sha256 if same else _outcomes_on(platform, best.version_id, ran)
    if reference is None:
        return None
    found = _pairs(platform, candidate, reference)
    return None if isinstance(found, str) or type(found[0]) is not kind else found[0]


def _pairs(platform: Platform, candidate: str, reference: str) -> tuple[Figures, Mapping[str, Figures]] | str:
    with platform.store.local_path(candidate) as one, platform.store.local_path(reference) as other:
        paired = compare_outcomes(one, other)
    if isinstance(paired, Incomparable):
        return paired.reason
    if isinstance(paired, PairedCounts):
        return _counts(paired), {name: _counts(part) for name, part in paired.slices.items()}
    return _losses(paired, None), {name: _losses(paired, mask) for name, mask in paired.slices.items()}


def _counts(paired: PairedCounts) -> Counts:
    return Counts(paired.b, paired.c, paired.n)


def _losses(paired: PairedLosses, mask: Any) -> Losses:
    candidate = paired.candidate if mask is None else paired.candidate[mask]
    incumbent = paired.incumbent if mask is None else paired.incumbent[mask]
    growth = candidate - incumbent
    n = int(growth.size)
    if n < 2:
        return Losses(n, 0.0, 0.0, 0.0)
    return Losses(n, float(growth.mean()), float(growth.std(ddof=1)), float(np.std(incumbent, ddof=1)))


def _totals(platform: Platform, candidate: str, reference: str) -> tuple[Figures, Mapping[str, Figures]] | str:
    with platform.store.local_path(candidate) as one, platform.store.local_path(reference) as other:
        ours, theirs = right_answers(one), right_answers(other)
    if ours is None or theirs is None:
        return "Its examples are not those of the baseline, and losses are compared example by example only."
    slices = {name: Totals(*ours.slices[name], *theirs.slices[name]) for name in ours.slices if name in theirs.slices}
    return Totals(*ours.overall, *theirs.overall), slices


def _entry(previous: ValidationRun | None, part: str, suite_id: str) -> Mapping[str, Any] | None:
    """What the run of the night before says about the suite."""
    told: Mapping[str, Any] | None = getattr(previous, part, None) if previous else None
    if not told:
        return None
    if part == "judged":
        return (told.get("suites") or {}).get(suite_id)
    return next((suite for suite in told["suites"] if suite["suite_id"] == suite_id), None)


def _detector(before: Mapping[str, Any] | None, kind: type[Figures]) -> DriftState | None:
    if before is None or before.get("detector") is None:
        return None
    state = DriftState.from_json(before["detector"])
    return state if all(type(one) is kind for one in state.recent) else None


def _breached(ran: Ran) -> bool:
    """An absolute threshold, with the whole interval beyond it."""
    intervals = (ran.execution.results or {}).get("intervals") or {}
    for name, limits in ran.suite.thresholds.items():
        interval = intervals.get(name)
        if interval is None:
            continue
        low, high = interval["low"], interval["high"]
        if ("min" in limits and high < limits["min"]) or ("max" in limits and low > limits["max"]):
            return True
    return False
