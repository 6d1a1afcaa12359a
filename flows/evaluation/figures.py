"""Figures with their intervals, and how several of them are told by the worst."""

from __future__ import annotations

import math
from collections.abc import Iterable

from flows.evaluation.intervals import Z, wilson
from governance.suites.conclusions import Measured


def share(hits: float, trials: int, z: float = Z) -> Measured:
    """A proportion with Wilson's interval. trials must be above 0."""
    low, high = wilson(hits, trials, z)
    return Measured(hits / trials, low, high, trials)


def largest(figures: Iterable[Measured]) -> Measured:
    """The largest of several. Its interval: the largest bounds, which hold when the given intervals hold together."""
    several = list(figures)
    lows = [one.low for one in several if one.low is not None]
    highs = [one.high for one in several if one.high is not None]
    sizes = [one.n for one in several if one.n is not None]
    whole = len(lows) == len(highs) == len(several)
    return Measured(
        max(one.value for one in several),
        max(lows) if whole else None,
        max(highs) if whole else None,
        min(sizes) if sizes else None,
    )


def smallest(figures: Iterable[Measured]) -> Measured:
    turned = largest(Measured(-one.value, _minus(one.high), _minus(one.low), one.n) for one in figures)
    return Measured(-turned.value, _minus(turned.high), _minus(turned.low), turned.n)


def paired_drop(b: int, c: int, n: int, z: float = Z) -> Measured:
    """(b - c) / n with the interval of Agresti and Min (Stat. Med. 24:729, 2005), from b + 1/2, c + 1/2 and n + 2."""
    more, less, size = b + 0.5, c + 0.5, n + 2
    centre = (more - less) / size
    half = z * math.sqrt(max(0.0, more + less - (more - less) ** 2 / size)) / size
    return Measured((b - c) / n, max(-1.0, centre - half), min(1.0, centre + half), n)


def _minus(bound: float | None) -> float | None:
    return None if bound is None else 0.0 - bound
