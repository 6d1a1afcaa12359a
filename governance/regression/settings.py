"""The constants of the judgement, each with where it comes from. Frozen: a night is judged by one set of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a drop must be to count, in the unit of its metric.

    least, least_in_slice: the smallest estimated drop that is called a regression, overall and in a slice.
    medium, high: severity by the lower bound of the drop; below medium it is low.
    """

    least: float
    least_in_slice: float
    medium: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.least_in_slice or not self.least <= self.medium < self.high:
            raise ValueError(f"sizes must grow from least over medium to high, and in slices not begin lower: {self}")


POINTS = Sizes(least=0.005, least_in_slice=0.02, medium=0.01, high=0.03)
"""Shares of the examples: half a point of accuracy, two in a slice; medium from one point, high from three."""

DEVIATIONS = Sizes(least=0.1, least_in_slice=0.2, medium=0.2, high=0.5)
"""Standard deviations of the baseline's losses. That a slice needs as much as `medium` is a convention here."""


@dataclass(frozen=True, slots=True)
class RegressionSettings:
    """false_discoveries: share of findings of a night that may be false, in each family of tests (see `arrays`).

    fewest_in_slice, fewest_discordant: a smaller slice is not tested.
    arl: e-detectors alarm at this value, hence at most once in so many nights of a healthy model on average [1]: a
    third of an alarm in 1,000 nights at 3,000. With 10,000 a drift of two points is found half a night later.
    window: nights over which a drift is estimated; it must amount to `least` there.
    clip: standard scores beyond it count as this much, so that one strange night cannot alarm alone.
    fleet_alpha: the level at which one model of a fleet has to be significant when about 2 % of it regressed; the
    minimum detectable effect is told at this level.

    [1] Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
        New England J. Statistics in Data Science 2:229 (2024)
    """

    points: Sizes = POINTS
    deviations: Sizes = DEVIATIONS
    false_discoveries: float = 0.05
    fewest_in_slice: int = 30
    fewest_discordant: int = 6
    arl: float = 3_000.0
    rates: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    clip: float = 3.0
    window: int = 7
    fleet_alpha: float = 0.001
    power: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.false_discoveries < 0.5 or not 0 < self.fleet_alpha < 0.5 or not 0.5 <= self.power < 1:
            raise ValueError(f"false_discoveries, fleet_alpha or power is out of range: {self}")
        if self.arl <= 1 or self.window < 1 or not self.rates or min(self.rates) <= 0 or self.clip <= 0:
            raise ValueError(f"the detector's arl, window, rates and clip must be positive: {self}")


@dataclass(frozen=True, slots=True)
class SeriesSettings:
    """Of the detector for series without pairs (`series`); growths are logarithms of ratios.

    reference: nights after the pin that define what is usual. tolerated: growth that does not count.
    allowance: taken off every standard score, because the reference is only estimated.
    steadiest: a reference with less spread is treated as if it had this much.
    last: nights whose median must have grown by `least`.
    """

    reference: int = 28
    tolerated: float = 0.015
    allowance: float = 0.25
    steadiest: float = 0.005
    arl: float = 10_000.0
    rates: tuple[float, ...] = (0.25, 0.5, 1.0)
    clip: float = 3.0
    last: int = 5
    least: float = 0.03
    medium: float = 0.10
    high: float = 0.25

    def __post_init__(self) -> None:
        if self.reference < 8 or self.last < 1 or self.arl <= 1 or not self.rates or self.steadiest <= 0:
            raise ValueError(f"reference is at least 8; last, arl, rates and steadiest are positive: {self}")
        if not 0 < self.least < self.medium < self.high:
            raise ValueError(f"growths must rise from least over medium to high: {self}")


DEFAULT = RegressionSettings()
DEFAULT_SERIES = SeriesSettings()
