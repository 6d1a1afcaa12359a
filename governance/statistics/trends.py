"""The slope of a series, without a care for a few outliers.

[1] Sen, "Estimates of the regression coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63:1379 (1968)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST = 6  # with fewer points no slope's 95 % interval can exclude 0 in a way that deserves a word


def theil_sen(values: Sequence[float], times: Sequence[float]) -> tuple[float, float, float] | None:
    """Median slope of all pairs of points, and its 95 % interval [1], in values per unit of time.

    None below six points, where all of them are of one time, or where too many are alike for an interval.
    """
    import numpy as np  # slow to import, and seldom needed
    from scipy.stats import theilslopes

    if len(values) < FEWEST or len(set(times)) < 2:
        return None
    if len(set(values)) == 1:
        return 0.0, 0.0, 0.0
    with np.errstate(invalid="ignore"):  # of the interval's variance, among many ties
        found = theilslopes(values, times, 0.95)
    slope, low, high = float(found.slope), float(found.low_slope), float(found.high_slope)
    return (slope, low, high) if math.isfinite(low) and math.isfinite(high) else None
