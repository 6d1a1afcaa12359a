"""The judgement of a night over plain arrays: one metric class (right or wrong, or losses) of a whole fleet.

A model-night can be found worse in four ways, each with its own family of tests over the fleet:

overall          tonight against the pin, one test a model.
slices           the slices of tonight, joined to one p a model by Simes.
cumulative loss  tonight against the best version of the last 90 days, one test a model.
slow drift       the detector's alarm (`detector`), whose guarantee needs no correction.

The first three are corrected by Benjamini and Hochberg over the models of the family. Overall and slices are two
families and not one, because one p from nine comparisons costs much of the power of the single comparison that
matters most (tests/benchmarks/regression measures both). Within a model whose slices are a finding, a slice is named
when it stands in Benjamini and Hochberg's procedure over that model's slices at the level R·q/m of the R models
found among m [1].

Significance alone is no finding. The estimated drop must also amount to what the settings call the least: a tenth of
a point is of no interest, however certain.

The bound that severity is read off is the lower end of a two-sided interval at Benjamini and Yekutieli's level [2],
1 - q·D/m for D findings among m, and for a slice q times the share that was found of the model's tested slices.
"Selected" are the findings, not everything that was significant. Slow drift is bounded by the last nights together.
With several causes the largest bound counts. An absolute threshold breached makes a finding high, but is none itself.

The minimum detectable effect is tonight's, at the level that one model of a fleet has to reach, or, from a full
window of fresh nights on, that of the detector when that is smaller: a drop that lasted k nights (up to four windows)
gives it a score of √k times tonight's, and it alarms when that exceeds √(2·ln(rates·ARL)). The gate on the estimate
is left aside.

[1] Benjamini, Bogomolov, "Selective inference on multiple families of hypotheses", J. R. Stat. Soc. B 76:297 (2014)
[2] Benjamini, Yekutieli, J. Am. Stat. Assoc. 100:71 (2005)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from governance.regression.detector import Drifts, alarming
from governance.regression.rows import Bools, Floats, Indices, Rows
from governance.regression.settings import RegressionSettings, Sizes
from governance.statistics.multiplicity import adjusted_within, benjamini_hochberg, coverage_level
from governance.statistics.paired import LARGEST_RATIO
from governance.statistics.sensitivity import minimum_detectable_effect

LONGEST = 4  # windows over which a drift counts as the detector's


@dataclass(frozen=True, slots=True)
class Night:
    """overall: one row a model. slices, guards: rows with the model each belongs to, `slice_model`, `guard_model`.

    fresh, breached: (models,). drifts: the detectors after the night before.
    """

    overall: Rows
    slices: Rows
    slice_model: Indices
    guards: Rows
    guard_model: Indices
    fresh: Bools
    breached: Bools
    drifts: Drifts

    @classmethod
    def plain(
        cls, overall: Rows, drifts: Drifts, slices: Rows | None = None, slice_model: Indices | None = None
    ) -> Night:
        """A fresh night without guards."""
        none = Rows.of(())
        return cls(
            overall=overall,
            slices=none if slices is None else slices,
            slice_model=np.zeros(0, dtype=np.intp) if slice_model is None else slice_model,
            guards=none,
            guard_model=np.zeros(0, dtype=np.intp),
            fresh=np.ones(overall.size, dtype=np.bool_),
            breached=np.zeros(overall.size, dtype=np.bool_),
            drifts=drifts,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """(models,) unless said otherwise.

    overall, cumulative_loss, drifting, sliced: what was found; in_slice: the same of each row of slices.
    p: overall; slice_p: of each row of slices. q: the smallest of the families'; 1 where nothing was tested.
    bound: nan unless detected. severity: 0 to 3, none to high. mde: minimum detectable effect.
    """

    overall: Bools
    sliced: Bools
    in_slice: Bools
    cumulative_loss: Bools
    drifting: Bools
    p: Floats
    slice_p: Floats
    q: Floats
    bound: Floats
    severity: NDArray[np.int64]
    mde: Floats
    drifts: Drifts

    @property
    def detected(self) -> Bools:
        return self.overall | self.sliced | self.cumulative_loss | self.drifting


def judge(night: Night, sizes: Sizes, settings: RegressionSettings) -> Judged:
    """All models of one metric class. The order of models does not matter."""
    models = night.overall.size
    everybody = np.arange(models)
    p = night.overall.p()
    overall = _discovered(night.overall, p, everybody, models, sizes.least, settings)
    slice_p = night.slices.p()
    tested = np.where(night.slices.testable(settings), slice_p, np.inf)
    slices = _discovered(night.slices, tested, night.slice_model, models, sizes.least_in_slice, settings)
    guards = _discovered(night.guards, night.guards.p(), night.guard_model, models, sizes.least, settings)
    drifts = night.drifts.after(night.overall, night.fresh, settings)
    drifting, drift_bound = _drifting(drifts, night.overall, sizes, settings)
    bound = np.fmax.reduce([overall.bound, slices.bound, guards.bound, drift_bound])
    detected = overall.found | slices.found | guards.found | drifting
    severity = 1 + (bound >= sizes.medium) + ((bound >= sizes.high) | night.breached) * (1 + (bound < sizes.medium))
    return Judged(
        overall=overall.found,
        sliced=slices.found,
        in_slice=slices.rows,
        cumulative_loss=guards.found,
        drifting=drifting,
        p=p,
        slice_p=slice_p,
        q=np.minimum.reduce([overall.q, slices.q, guards.q]),
        bound=bound,
        severity=np.where(detected, severity, 0),
        mde=_detectable(night.overall, drifts, settings),
        drifts=drifts,
    )


@dataclass(frozen=True, slots=True)
class _Discoveries:
    """found, q, bound: (models,); rows: which rows were found."""

    found: Bools
    rows: Bools
    q: Floats
    bound: Floats


def _discovered(
    tests: Rows, p: Floats, model: Indices, models: int, least: float, settings: RegressionSettings
) -> _Discoveries:
    """One family: its rows joined to one p a model, the models corrected for each other.

    p is inf where a row is no test. A model without any row is not of the family; one whose rows are all no tests is,
    with p = 1: if only those counted that differ enough to be tested, a few restless ones would be their own family.
    """
    found, q = np.zeros(models, dtype=np.bool_), np.ones(models)
    bound, rows = np.full(models, np.nan), np.zeros(tests.size, dtype=np.bool_)
    place = np.flatnonzero(np.isfinite(p))
    if not place.size:
        return _Discoveries(found, rows, q, bound)
    adjusted, joined, tested = _joined(p[place], model[place], models)
    family = np.unique(model)
    q[family] = benjamini_hochberg(np.minimum(joined[family], 1.0))
    rate = settings.false_discoveries
    passed = q <= rate
    level = passed.sum() * rate / family.size
    # the tolerance is for rounding: a model's smallest adjusted p is its joined p, which passed
    significant = passed[model[place]] & (adjusted <= level * (1 + 1e-12))
    chosen = place[significant & (tests.drop()[place] >= least)]
    rows[chosen] = True
    found[model[chosen]] = True
    share = np.bincount(model[chosen], minlength=models) / np.maximum(tested, 1)
    confidence = coverage_level(int(found.sum()), family.size, rate * share[model[chosen]])
    lower, _ = tests.take(chosen).interval(confidence)
    np.fmax.at(bound, model[chosen], lower)
    return _Discoveries(found, rows, q, bound)


def _joined(p: Floats, model: Indices, models: int) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Each test's adjusted p within its model; Simes's p of each model (inf without tests); tests of each model."""
    tested = np.bincount(model, minlength=models)
    if tested.max() <= 1:
        joined = np.full(models, np.inf)
        joined[model] = p
        return p, joined, tested
    order = np.argsort(model, kind="stable")
    column = np.empty(p.size, dtype=np.intp)
    column[order] = np.arange(p.size) - np.repeat(np.cumsum(tested) - tested, tested)
    table = np.full((models, int(tested.max())), np.inf)
    table[model, column] = p
    adjusted = adjusted_within(table)
    return adjusted[model, column], adjusted.min(axis=1), tested


def _drifting(drifts: Drifts, tonight: Rows, sizes: Sizes, settings: RegressionSettings) -> tuple[Bools, Floats]:
    recently = drifts.pooled(tonight.kind)
    drifting = alarming(drifts.evidence, settings.arl) & (recently.drop() >= sizes.least)
    bound = np.full(tonight.size, np.nan)
    chosen = np.flatnonzero(drifting)
    watched = int((drifts.nights > 0).sum())
    confidence = coverage_level(chosen.size, watched, settings.false_discoveries)
    bound[chosen], _ = recently.take(chosen).interval(confidence)
    return drifting, bound


def _detectable(tonight: Rows, drifts: Drifts, settings: RegressionSettings) -> Floats:
    error = tonight.error()
    alone = minimum_detectable_effect(error, settings.fleet_alpha, settings.power)
    nights = np.minimum(drifts.nights, LONGEST * settings.window)
    # the level of a normal score above which the detector alarms
    threshold = math.sqrt(2 * math.log(settings.arl * len(settings.rates)))
    power = minimum_detectable_effect(1.0, 0.5, settings.power)
    lasting = (threshold + power) * error / np.sqrt(np.maximum(nights, 1))
    found = np.where(nights >= settings.window, np.minimum(alone, lasting), alone)
    return np.minimum(found, LARGEST_RATIO)
