"""Differences between groups in being given the favourable label, from counts.

The names and values are fairlearn's (`fairlearn.metrics`, with its default of comparing the groups with each other),
except that a group without examples for a rate is left out of that rate instead of counting as 0. With a reference
group, disparate impact is the smallest ratio to its selection rate; without one, to the highest rate.

Intervals: of a difference of two rates by Newcombe's method (Stat. Med. 17:873, 1998), of a ratio by the same idea on
the logarithms; both start from Wilson's intervals. All pairs of groups are made to hold together (Bonferroni), and the
largest difference then lies between the largest of the lower and the largest of the upper bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.classes import Classified
from flows.evaluation.dataset import Labels
from flows.evaluation.figures import largest, share, smallest
from flows.evaluation.intervals import simultaneous, wilson
from governance.suites.catalogue import SELECTION_RATE
from governance.suites.conclusions import Measured

Pairs = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class Rates:
    """Of every group: how many of `trials` were given the favourable label. Both of shape (groups,)."""

    hits: NDArray[np.int64]
    trials: NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """selected: of all; of_positives, of_negatives: of those whom it is due, and of the others."""

    names: tuple[str, ...]
    selected: Rates
    of_positives: Rates
    of_negatives: Rates


def counted(data: Classified, groups: Labels, favourable: int) -> Groups:
    """favourable: a position in data.labels."""
    k = len(groups.values)
    given, due = data.predicted == favourable, data.target == favourable

    def rates(among: NDArray[np.bool_]) -> Rates:
        return Rates(
            np.bincount(groups.index[given & among], minlength=k), np.bincount(groups.index[among], minlength=k)
        )

    names = tuple(str(value) for value in groups.values)
    return Groups(names, rates(np.ones(len(due), dtype=bool)), rates(due), rates(~due))


def bias_metrics(
    data: Classified, columns: Mapping[str, Labels], definition: Mapping[str, Any], favourable: int
) -> tuple[dict[str, Measured], dict[str, str]]:
    """(figures, why others have none). With several columns "<metric>.<column>" is of each and the plain name of the
    worst; "selection_rate.<column>=<value>" is of each group."""
    found: dict[str, Measured] = {}
    lacking: dict[str, str] = {}
    by_column = {column: counted(data, labels, favourable) for column, labels in columns.items()}
    for column, groups in by_column.items():
        for name, hits, trials in zip(groups.names, groups.selected.hits, groups.selected.trials, strict=True):
            found[f"{SELECTION_RATE}.{column}={name}"] = share(int(hits), int(trials))
    for metric in definition["bias"]:
        several: dict[str, Measured] = {}
        for column, groups in by_column.items():
            figure = _figure(metric, groups, definition["groups"].get("reference", {}).get(column))
            if isinstance(figure, str):
                lacking[metric] = f"column {column!r}: {figure}"
            else:
                several[column] = figure
        if metric in lacking:
            continue
        found[metric] = (smallest if metric.endswith("_ratio") else largest)(several.values())
        if len(several) > 1:
            found |= {f"{metric}.{column}": figure for column, figure in several.items()}
    return found, lacking


def _figure(metric: str, groups: Groups, reference: str | None) -> Measured | str:
    match metric:
        case "demographic_parity_difference":
            return _difference([groups.selected])
        case "equal_opportunity_difference":
            return _difference([groups.of_positives])
        case "equalized_odds_difference":
            return _difference([groups.of_positives, groups.of_negatives])
        case "disparate_impact_ratio" if reference is not None:
            if reference not in groups.names:
                return f"there is no group {reference!r}"
            place = groups.names.index(reference)
            others = [(i, place) for i in range(len(groups.names)) if i != place]
            return _ratio(groups.selected, others)
        case _:
            return _ratio(groups.selected, list(permutations(range(len(groups.names)), 2)))


def _difference(several: list[Rates]) -> Measured | str:
    """The largest difference between two groups in any of the rates."""
    places = [np.flatnonzero(rates.trials) for rates in several]
    if any(len(of_rate) < 2 for of_rate in places):
        return "fewer than two groups have examples of this kind"
    z = simultaneous(sum(len(of_rate) * (len(of_rate) - 1) // 2 for of_rate in places))
    figures = []
    for rates, of_rate in zip(several, places, strict=True):
        known = [share(int(rates.hits[i]), int(rates.trials[i]), z) for i in of_rate]
        low, high = _newcombe(known)
        values = [one.value for one in known]
        size = int(rates.trials[of_rate].min())
        figures.append(Measured(max(values) - min(values), max(0.0, low), min(1.0, high), size))
    return largest(figures)


def _newcombe(rates: list[Measured]) -> tuple[float, float]:
    """The largest bounds of p - q over all ordered pairs."""
    p = np.array([one.value for one in rates])
    down = p - np.array([one.low for one in rates])
    up = np.array([one.high for one in rates]) - p
    gap = p[:, None] - p[None, :]
    low = gap - np.hypot(down[:, None], up[None, :])
    high = gap + np.hypot(up[:, None], down[None, :])
    apart = ~np.eye(len(p), dtype=bool)
    return float(low[apart].max()), float(high[apart].max())


def _ratio(rates: Rates, pairs: list[tuple[int, int]]) -> Measured | str:
    """The smallest ratio of two rates over the given pairs of (group, reference)."""
    usable = [(i, j) for i, j in pairs if rates.trials[i] and rates.hits[j]]
    if not usable:
        return "there are no two groups to compare, or nobody is given the favourable label"
    z = simultaneous(len({frozenset(pair) for pair in usable}))
    figures = [_one_ratio(rates, i, j, z) for i, j in usable]
    return smallest(figures)


def _one_ratio(rates: Rates, i: int, j: int, z: float) -> Measured:
    hits, of = (int(rates.hits[i]), int(rates.hits[j])), (int(rates.trials[i]), int(rates.trials[j]))
    (low_i, high_i), (low_j, high_j) = wilson(hits[0], of[0], z), wilson(hits[1], of[1], z)
    p, q = hits[0] / of[0], hits[1] / of[1]
    if hits[0] == 0:
        return Measured(0.0, 0.0, high_i / low_j, min(of))
    ratio = p / q
    low = ratio * math.exp(-math.hypot(math.log(p / low_i), math.log(high_j / q)))
    high = ratio * math.exp(math.hypot(math.log(high_i / p), math.log(q / low_j)))
    return Measured(ratio, low, high, min(of))
