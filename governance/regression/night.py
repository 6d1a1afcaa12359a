"""All models of one night, judged together: who is worse depends on how many others seem to be (`arrays`).

Two metric classes are judged apart, right or wrong answers and losses. Aggregate evidence stands in the same families
as paired evidence of its class: its p is as good a p, only the sample says less. It is marked, and has no detector.

A measurement with too few examples (fewer than 30 losses; none at all) has p = 1 and concludes nothing. Impossible
figures are refused where a `Measurement` is made, so that no model can spoil the night of others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from governance.regression.arrays import Judged, Night, judge
from governance.regression.detector import Drifts
from governance.regression.measurements import (
    CUMULATIVE_LOSS,
    OVERALL,
    SEVERITIES,
    SLOW_DRIFT,
    Conclusion,
    Judgement,
    Losses,
    Measurement,
    SliceJudgement,
)
from governance.regression.rows import TOTALS, Bools, Floats, Rows
from governance.regression.settings import DEFAULT, RegressionSettings, Sizes


def judge_night(measurements: Sequence[Measurement], settings: RegressionSettings = DEFAULT) -> dict[str, Judgement]:
    """One judgement for each measurement, by key. Raises ValueError where two have the same key.

    "no_regression" is said only where a drop of the least size that counts would have been found: above that minimum
    detectable effect it is "insufficient_evidence".
    """
    keys = {one.key for one in measurements}
    if len(keys) != len(measurements):
        raise ValueError("two measurements of a night have the same key")
    classes = (
        ([one for one in measurements if not isinstance(one.overall, Losses)], settings.points),
        ([one for one in measurements if isinstance(one.overall, Losses)], settings.deviations),
    )
    found: dict[str, Judgement] = {}
    for members, sizes in classes:
        if members:
            night = _packed(members, settings)
            found |= _unpacked(members, night, judge(night, sizes, settings), sizes)
    return {one.key: found[one.key] for one in measurements}


def _packed(members: Sequence[Measurement], settings: RegressionSettings) -> Night:
    guarded = [(model, one.guard) for model, one in enumerate(members) if one.guard is not None]
    return Night(
        overall=Rows.of(one.overall for one in members),
        slices=Rows.of(figures for one in members for figures in one.slices.values()),
        slice_model=np.repeat(np.arange(len(members)), [len(one.slices) for one in members]),
        guards=Rows.of(guard for _, guard in guarded),
        guard_model=np.array([model for model, _ in guarded], dtype=np.intp),
        fresh=np.array([one.fresh for one in members]),
        breached=np.array([one.breached for one in members]),
        drifts=Drifts.of([one.detector for one in members], settings),
    )


def _unpacked(members: Sequence[Measurement], night: Night, judged: Judged, sizes: Sizes) -> dict[str, Judgement]:
    lower, upper = (side.tolist() for side in night.overall.interval())
    p, q, drop, n = judged.p.tolist(), judged.q.tolist(), night.overall.drop().tolist(), night.overall.n().tolist()
    mde, detected, severity = judged.mde.tolist(), judged.detected.tolist(), judged.severity.tolist()
    slices = _slices(members, night, judged)
    kinds = night.overall.kind.tolist()
    found: dict[str, Judgement] = {}
    first = 0
    for model, one in enumerate(members):
        own = tuple(slices[first : first + len(one.slices)])
        first += len(one.slices)
        found[one.key] = Judgement(
            key=one.key,
            conclusion=_concluded(detected[model], mde[model] <= sizes.least),
            detected=detected[model],
            severity=SEVERITIES[severity[model]],
            causes=_causes(model, judged, own) if detected[model] else (),
            evidence=one.evidence,
            n=int(n[model]),
            p=p[model],
            q=q[model],
            drop=drop[model],
            lower=lower[model],
            upper=upper[model],
            bound=float(judged.bound[model]) if detected[model] else None,
            minimum_detectable_effect=mde[model],
            slices=own,
            detector=None if kinds[model] == TOTALS else judged.drifts.state(model, kinds[model]),
        )
    return found


def _concluded(detected: bool, sensitive: bool) -> Conclusion:
    if detected:
        return "regression"
    return "no_regression" if sensitive else "insufficient_evidence"


def _causes(model: int, judged: Judged, slices: tuple[SliceJudgement, ...]) -> tuple[str, ...]:
    ways: tuple[tuple[str, Bools], ...] = (
        (OVERALL, judged.overall),
        (SLOW_DRIFT, judged.drifting),
        (CUMULATIVE_LOSS, judged.cumulative_loss),
    )
    return (
        *(name for name, found in ways if found[model]),
        *(f"slice:{one.name}" for one in slices if one.detected),
    )


def _slices(members: Sequence[Measurement], night: Night, judged: Judged) -> list[SliceJudgement]:
    names = [name for one in members for name in one.slices]
    lower, upper = night.slices.interval()
    columns: tuple[Floats, ...] = (night.slices.n(), night.slices.drop(), lower, upper, judged.slice_p)
    rows = zip(names, *(column.tolist() for column in columns), judged.in_slice.tolist(), strict=True)
    return [SliceJudgement(name, int(n), *rest) for name, n, *rest in rows]
