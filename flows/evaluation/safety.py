"""Whether a model knows what it does not know, and what it answers to input that it should not get.

expected_calibration_error: mean distance between confidence and accuracy over 15 bins of equal width, weighted by
their examples (Guo et al., ICML 2017); confidence is the probability of the predicted class.
worst_slice_accuracy: the smallest accuracy of the slices of at least `minimum` examples.
out_of_range_safe, nan_safe: the share of probes that the model either refuses or answers with finite numbers. A probe
is the median example with one column (or all of them) ten ranges beyond its smallest or largest value, or NaN. All
probes are made, so these are no samples and have no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.classes import Classified
from flows.evaluation.dataset import Labels
from flows.evaluation.figures import share, smallest
from flows.evaluation.intervals import simultaneous
from flows.evaluation.job import NotFiniteError, RefusedError
from flows.evaluation.metrics import Estimator, probabilities
from governance.suites.conclusions import Measured

BINS = 15
BEYOND = 10.0  # ranges
PROBED = 50  # columns; those of wider data are probed together only
Columns = Mapping[str, NDArray[Any]]


def calibration_error(data: Classified) -> Estimator:
    """As a function of example weights. Raises RefusedError for a model without probabilities."""
    confidence, place = _binned(data)
    gap = confidence - (data.predicted == data.target)

    def value(weights: NDArray[np.float64]) -> float:
        by_bin = np.bincount(place, weights=weights * gap, minlength=BINS)
        return float(np.abs(by_bin).sum() / weights.sum())

    return value


def calibration_bins(data: Classified) -> list[list[float]]:
    """[mean confidence, share of right answers, examples] of each bin that holds any, by confidence; none for a model
    without probabilities.
    """
    try:
        confidence, place = _binned(data)
    except RefusedError:
        return []
    sizes = np.bincount(place, minlength=BINS)
    sums = np.bincount(place, weights=confidence, minlength=BINS)
    hits = np.bincount(place, weights=data.predicted == data.target, minlength=BINS)
    return [[float(sums[b] / sizes[b]), float(hits[b] / sizes[b]), int(sizes[b])] for b in np.flatnonzero(sizes)]


def _binned(data: Classified) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(the probability of each predicted class, its bin). Raises RefusedError for a model without probabilities."""
    confidence = probabilities(data, "expected_calibration_error")[np.arange(len(data.predicted)), data.predicted]
    return confidence, np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def worst_slice(data: Classified, slices: Mapping[str, Labels], minimum: int) -> Measured | str:
    """The figure, or why there is none."""
    right = data.predicted == data.target
    counts = []
    for labels in slices.values():
        trials = np.bincount(labels.index, minlength=len(labels.values))
        hits = np.bincount(labels.index[right], minlength=len(labels.values))
        counts += [(int(h), int(n)) for h, n in zip(hits, trials, strict=True) if n >= minimum]
    if not counts:
        return f"no slice has {minimum} examples"
    z = simultaneous(len(counts))
    return smallest(share(hits, trials, z) for hits, trials in counts)


def probed(features: Columns, ask: Callable[[Columns], Any], *, beyond: bool) -> Measured:
    """The share of safe answers; beyond: out of range, else NaN."""
    answers = [_safe(ask, probe) for probe in (_far(features) if beyond else _missing(features))]
    return Measured(sum(answers) / len(answers), None, None, None)


def _safe(ask: Callable[[Columns], Any], probe: Columns) -> bool:
    try:
        ask(probe)
    except NotFiniteError:
        return False
    except RefusedError:
        return True
    return True


def _far(features: Columns) -> Iterator[dict[str, NDArray[Any]]]:
    middle = {name: _median(column) for name, column in features.items()}
    for sign in (-1.0, 1.0):
        moved = {name: _moved(column, sign) for name, column in features.items()}
        yield moved
        if len(features) <= PROBED:
            yield from ({**middle, name: column} for name, column in moved.items())


def _missing(features: Columns) -> Iterator[dict[str, NDArray[Any]]]:
    middle = {name: _median(column) for name, column in features.items()}
    nothing = np.array([np.nan])
    yield dict.fromkeys(features, nothing)
    if len(features) <= PROBED:
        yield from ({**middle, name: nothing} for name in features)


def _median(column: NDArray[Any]) -> NDArray[Any]:
    known = column[np.isfinite(column)]
    value = float(np.median(known)) if len(known) else 0.0
    return np.array([value if column.dtype.kind == "f" else round(value)])


def _moved(column: NDArray[Any], sign: float) -> NDArray[Any]:
    known = column[np.isfinite(column)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    value = (high if sign > 0 else low) + sign * BEYOND * ((high - low) or 1.0)
    return np.array([value if column.dtype.kind == "f" else round(value)])
