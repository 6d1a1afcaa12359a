"""A version's answers against those of the pinned baseline, example by example where both answered the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
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
from governance.operations.validation_outcomes import is_canary
from governance.regression.measurements import Counts, DriftState, Figures, Losses, Measurement, Totals
from governance.validation.baselines import GUARD_DAYS, Baseline, best_of
from governance.validation.runs import ValidationRun
from storage.composition import Platform

if TYPE_CHECKING:
    from flows.validation.measuring import Ran


@dataclass(frozen=True, slots=True)
class Compared:
    """measurement: None with the reason why there is none. baseline: as a run shows it. is_baseline: it would have been
    compared with itself, and so cannot be worse.
    """

    measurement: Measurement | None = None
    baseline: Mapping[str, Any] | None = None
    not_compared: str | None = None
    is_baseline: bool = False


def compared(platform: Platform, run: ValidationRun, version: ModelVersion, ran: Ran) -> Compared:
    """Against the suite's pin. What has no pair is compared by its totals alone, and marked so.

    A canary is its own pin already. On examples that are newer than its approval it is held against the version that it
    displaced: those two are what a rollback chooses between. On the suite's own examples people have judged that.
    """
    if ran.execution.outcomes_sha256 is None or ran.dataset is None:
        return Compared(not_compared=ran.execution.reason or "The suite leaves no answers to examples.")
    baseline = _pinned(platform, version, ran)
    if baseline is None:
        return Compared(not_compared="No version of the model has been promoted with results of this suite.")
    if baseline.version_id == version.id and baseline.dataset_sha256 != ran.dataset[0]:
        baseline = _displaced(platform, run, version, ran.suite) or baseline
    shown = {
        "id": baseline.id,
        "version_id": baseline.version_id,
        "version": baseline.version,
        "score": baseline.score,
        "pinned_at": rendered(baseline.pinned_at),
    }
    same_answers = baseline.outcomes_sha256 == ran.execution.outcomes_sha256
    if baseline.version_id == version.id and same_answers and ran.settled:
        return Compared(None, shown, "It is the baseline itself, on the same examples.", is_baseline=True)
    try:
        measurement = _measurement(platform, run, version, ran, baseline)
    except BlobMissing:
        return Compared(baseline=shown, not_compared="The baseline's answers are gone from storage.")
    if isinstance(measurement, str):
        return Compared(baseline=shown, not_compared=measurement)
    return Compared(measurement, shown)


def _pinned(platform: Platform, version: ModelVersion, ran: Ran) -> Baseline | None:
    """A version that was promoted before its suite had results is pinned by the first that it has."""
    suite, outcomes = ran.suite, ran.execution.outcomes_sha256
    with platform.new_unit() as uow:
        found = uow.baselines.pinned(suite.id)
        if found is not None or version.state is not VersionState.PRODUCTION:
            return found
        if outcomes is None or ran.dataset is None or ran.dataset[0] != suite.dataset_sha256:
            return None
        found = pin(uow, platform.system_call(), version, suite, outcomes, ran.execution.results, None)
        uow.commit()
        return found


def _displaced(platform: Platform, run: ValidationRun, version: ModelVersion, suite: Suite) -> Baseline | None:
    """What a rollback would bring back, while the version is a canary."""
    window = timedelta(hours=platform.settings.canary_hours)
    call = replace(platform.system_call(), at=run.created_at)
    with platform.new_unit() as uow:
        if not is_canary(uow, call, version, window):
            return None
        before = uow.versions.to_restore(version.model_id)
        pins = uow.baselines.since(suite.id, run.created_at - GUARD_DAYS)
    return next((pin for pin in pins if before is not None and pin.version_id == before.id), None)


def _measurement(
    platform: Platform, run: ValidationRun, version: ModelVersion, ran: Ran, baseline: Baseline
) -> Measurement | str:
    assert ran.dataset is not None  # noqa: S101
    candidate = ran.execution.outcomes_sha256
    assert candidate is not None  # noqa: S101
    found = _against(platform, version, ran, baseline, candidate)
    if isinstance(found, str):
        return found
    overall, slices = found
    kind = type(overall)
    before = None
    if run.night_id is not None:
        with platform.new_unit() as uow:
            before = uow.runs.last_of_suite(version.id, ran.suite.id, run.created_at)
    if before is not None and (before[0]["baseline"] or {}).get("id") != baseline.id:
        before = None  # another pin: everything begins anew
    return Measurement(
        key=f"{version.id}:{ran.suite.id}",
        evidence="aggregate" if kind is Totals else "paired",
        overall=overall,
        slices={name: one for name, one in slices.items() if type(one) is kind},
        fresh=run.night_id is not None and (before is None or before[0]["outcomes_sha256"] != candidate),
        guard=_guard(platform, version, ran, baseline, candidate, kind, run),
        detector=_detector(before[1], kind) if before is not None else None,
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


def _detector(before: Mapping[str, Any], kind: type[Figures]) -> DriftState | None:
    if before.get("detector") is None:
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
