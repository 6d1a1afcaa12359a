"""The measures against SciPy on the raw data, and their uncertainty against known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from governance.drift import measures
from governance.drift.sketches import NumericSketch, numeric_sketch


def sketched(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> NumericSketch:
    found = numeric_sketch("x", values)
    assert found is not None
    return found


SHIFTS = [(0.0, 1.0), (0.2, 1.0), (0.5, 1.0), (0.8, 1.0), (0.0, 1.3), (-0.4, 0.7)]


@pytest.mark.parametrize(("shift", "scale"), SHIFTS)
def test_ks_and_wasserstein_are_those_of_the_raw_data_within_a_bin(shift: float, scale: float) -> None:
    random = np.random.default_rng(3)
    reference, live = random.normal(size=20_000), random.normal(shift, scale, size=8_000)
    sketch = sketched(reference)
    ordered = slice(0, sketch.ordered)
    counts = sketch.count_array(live)
    raw_ks = stats.ks_2samp(reference, live)
    ks = measures.kolmogorov_smirnov(sketch.counts[ordered], counts[ordered])
    assert ks is not None
    assert raw_ks.statistic - 0.05 <= ks.distance <= raw_ks.statistic + 1e-12  # a bin holds a twentieth
    assert ks.p >= stats.ks_2samp(reference, live, method="asymp").pvalue * 0.99  # conservative
    raw = stats.wasserstein_distance(reference, live) / reference.std()
    moved = measures.wasserstein(sketch.counts[ordered], counts[ordered], sketch.positions, sketch.deviation, seed=1)
    assert moved is not None
    assert moved.value == pytest.approx(raw, rel=0.2, abs=0.01)
    assert moved.interval.low <= moved.interval.high


@pytest.mark.parametrize(("shift", "scale"), SHIFTS)
def test_chi_squared_is_that_of_scipy_where_no_cell_is_small(shift: float, scale: float) -> None:
    random = np.random.default_rng(4)
    reference, live = random.normal(size=20_000), random.normal(shift, scale, size=20_000)
    sketch = sketched(reference)
    counts = sketch.count_array(live)
    table = np.array([sketch.counts, counts])
    table = table[:, table.sum(0) > 0]
    enough = table.sum(0) / 2 >= measures.LEAST_EXPECTED
    pooled = np.column_stack([table[:, enough], table[:, ~enough].sum(1)]) if not enough.all() else table
    if pooled.sum(0).min() >= 2 * measures.LEAST_EXPECTED:
        oracle = stats.chi2_contingency(pooled, correction=False)
        found = measures.chi_squared(sketch.counts, counts)
        assert found.statistic == pytest.approx(oracle.statistic)
        assert found.freedom == oracle.dof
        assert found.p == pytest.approx(oracle.pvalue, abs=1e-300)
    assert pooled.shape[1] >= 20


def test_psi_is_the_textbook_sum_where_no_cell_is_empty() -> None:
    reference, live = (400, 300, 300), (100, 500, 400)
    p, q = np.array(live) / 1000, np.array(reference) / 1000
    assert measures.psi(reference, live, seed=1).value == pytest.approx(
        float(((p - q) * np.log(p / q)).sum()), rel=0.01
    )
    # proportions scaled up: the half counts that are lent vanish
    big = measures.psi([n * 10**9 for n in reference], [n * 10**9 for n in live], seed=1)
    assert big.value == pytest.approx(float(((p - q) * np.log(p / q)).sum()), rel=1e-9)


def test_a_shift_of_a_normal_has_the_psi_of_its_square() -> None:
    random = np.random.default_rng(5)
    sketch = sketched(random.normal(size=200_000))
    for shift in (0.32, 0.5):
        found = measures.psi(sketch.counts, sketch.count_array(random.normal(shift, size=200_000)), seed=1)
        assert found.value == pytest.approx(shift**2, rel=0.1)


def test_empty_cells_give_finite_sizes() -> None:
    for reference, live in (((100, 0, 0), (0, 100, 0)), ((5, 0), (0, 1)), ((0, 3), (0, 4)), ((1, 0), (1, 0))):
        found = measures.psi(reference, live, seed=1)
        assert all(math.isfinite(x) and x >= 0 for x in (found.value, found.excess, found.interval.low))
        tested = measures.chi_squared(reference, live)
        assert 0 <= tested.p <= 1
        assert 0 <= tested.size <= 1
    assert measures.chi_squared((0, 300), (0, 400)).p == 1


def test_sizes_of_nothing_are_none() -> None:
    assert measures.kolmogorov_smirnov((0, 0), (1, 2)) is None
    assert measures.wasserstein((0, 0), (1, 2), (0.0, 1.0), 1.0, seed=1) is None
    assert measures.wasserstein((5, 5), (1, 2), (0.0, 1.0), 0.0, seed=1) is None


def test_without_drift_p_values_are_uniform_and_excess_is_small() -> None:
    random = np.random.default_rng(6)
    sketch = sketched(random.normal(size=50_000))
    p, excess = [], []
    for _ in range(600):
        live = sketch.count_array(random.normal(size=500))
        p.append(measures.chi_squared(sketch.counts, live).p)
        excess.append(measures.psi(sketch.counts, live, seed=1).excess)
    assert 0.02 <= float(np.mean(np.array(p) <= 0.05)) <= 0.09
    assert float(np.mean(excess)) < 0.01


@pytest.mark.parametrize("shift", [0.3, 0.6])
def test_intervals_hold_the_truth(shift: float) -> None:
    """Coverage of a nominal 95 %, over samples of a known pair of distributions."""
    random = np.random.default_rng(7)
    cells = 12
    edges = stats.norm.ppf(np.linspace(0, 1, cells + 1))
    q, p = np.full(cells, 1 / cells), np.diff(stats.norm.cdf(edges - shift))
    truth = float(((p - q) * np.log(p / q)).sum())
    positions = [float(n) for n in range(cells)]
    distance = float(np.abs(np.cumsum(p - q)).sum())
    held = np.zeros(2)
    for number in range(200):
        reference, live = random.multinomial(3000, q).tolist(), random.multinomial(1000, p).tolist()
        size = measures.psi(reference, live, seed=number).interval
        moved = measures.wasserstein(reference, live, positions, 1.0, seed=number)
        assert moved is not None
        held += [size.low <= truth <= size.high, moved.interval.low <= distance <= moved.interval.high]
    assert (held / 200 >= 0.89).all(), held / 200


def test_the_smallest_detectable_psi_is_found_as_often_as_it_says() -> None:
    random = np.random.default_rng(8)
    cells, n, m = 10, 100_000, 1000
    wanted = measures.smallest_detectable_psi(n, m, cells)
    assert wanted is not None
    tilt = np.linspace(-1, 1, cells)
    q = np.full(cells, 0.1)
    step = math.sqrt(wanted / float((0.1 * tilt**2).sum()))
    p = q * (1 + step * tilt)
    reference = random.multinomial(n, q).tolist()
    found = [measures.chi_squared(reference, random.multinomial(m, p).tolist()).p <= 0.05 for _ in range(500)]
    assert float(np.mean(found)) == pytest.approx(0.8, abs=0.06)


def test_adjusted_is_that_of_scipy() -> None:
    p = list(np.random.default_rng(9).uniform(size=40) ** 3)
    assert measures.adjusted(p) == pytest.approx(list(stats.false_discovery_control(p)))
    assert measures.adjusted([]) == []


def test_the_same_counts_give_the_same_digits() -> None:
    assert measures.psi((50, 60, 70), (10, 30, 20), seed=4) == measures.psi((50, 60, 70), (10, 30, 20), seed=4)
