"""What is measured between two sketches (`measures` says how)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Psi:
    """value: as it is commonly computed. excess: without what chance alone adds; not below 0."""

    value: float
    excess: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """size: Cramér's V, 0 to 1. freedom: degrees of freedom; 0 when one cell holds everything, and p is 1."""

    statistic: float
    freedom: int
    size: float
    p: float


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    distance: float
    p: float


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """In standard deviations of the reference."""

    value: float
    interval: Interval
