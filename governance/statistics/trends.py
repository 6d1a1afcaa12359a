"""The slope of a series, without a care for a few outliers.

[1] Sen, "Estimates of the regression coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63:1379 (1968)
"""

from __future__ import annotations

from collections.abc import Sequence

FEWEST = 6  # with fewer points no slope's 95 % interval can exclude 0 in a way that deserves a word


def theil_sen(values: Sequence[float], times: Sequence[float]) -> tuple[float, float, float] | None:
    """Median slope of all pairs of points, and its 95 % interval [1], in values per unit of time.

    None below six points, or where all of them are of one time.
    """
    from scipy.stats import theilslopes  # slow to import, and seldom needed

    if len(values) < FEWEST or len(set(times)) < 2:
        return None
    found = theilslopes(values, times, 0.95)
    return float(found.slope), float(found.low_slope), float(found.high_slope)
