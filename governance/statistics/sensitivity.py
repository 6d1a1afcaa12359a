"""How small a difference a sample can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


def minimum_detectable_effect(error: ArrayLike, alpha: ArrayLike, power: float = 0.8) -> Floats:
    """The difference that a one-sided test at level alpha finds with this power.

    error: standard error of the estimated difference, in its unit: √(churn / n) for two models that differ on a
    share `churn` of n examples.
    """
    found: Floats = (-ndtri(alpha) + ndtri(power)) * np.asarray(error, dtype=np.float64)
    return found
