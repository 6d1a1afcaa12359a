"""The vectorised statistics against scipy, against counting, and against what must hold whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from governance.statistics.discordance import drop_interval, midp_worse, score, score_bound
from governance.statistics.losses import mean_interval, t_worse
from governance.statistics.multiplicity import adjusted_within, benjamini_hochberg, coverage_level, simes
from governance.statistics.proportions import newcombe, pooled_worse, wilson
from governance.statistics.sensitivity import minimum_detectable_effect
from governance.statistics.trends import theil_sen

probabilities = st.floats(0, 1)


def test_midp_of_a_fleet_is_the_binomial_one_of_each() -> None:
    random = np.random.default_rng(1)
    b, c = random.integers(0, 40, 200), random.integers(0, 40, 200)
    b[0] = c[0] = 0
    expected = [
        1.0
        if one + other == 0
        else stats.binomtest(int(one), int(one + other), 0.5, alternative="greater").pvalue
        - stats.binom.pmf(one, one + other, 0.5) / 2
        for one, other in zip(b, c, strict=True)
    ]
    assert midp_worse(b, c) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("differ", [3_000, 200_000])
def test_midp_needs_no_approximation_for_many_disagreements(differ: int) -> None:
    b = differ // 2 + 3 * round(differ**0.5)  # z of 6
    exact = (stats.binom.sf(b - 1, differ, 0.5) + stats.binom.sf(b, differ, 0.5)) / 2
    assert float(midp_worse(b, differ - b)) == pytest.approx(exact, rel=1e-8)
    assert 0 < exact < 1e-8


@given(st.integers(1, 400), st.data())
@settings(max_examples=60)
def test_the_score_at_its_bound_is_the_level(n: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    lower, upper = drop_interval(b, c, n)
    z = float(stats.norm.ppf(0.975))
    assert -1 <= lower <= (b - c) / n + 1e-12
    assert (b - c) / n - 1e-12 <= upper <= 1
    if lower > -0.999:
        assert float(score(b, c, n, lower)) == pytest.approx(z, abs=1e-4)
    if upper < 0.999:
        assert float(score(b, c, n, upper)) == pytest.approx(-z, abs=1e-4)


def test_bounds_without_examples_say_nothing() -> None:
    assert score_bound([0, 0], [0, 0], [0, 0], [2.0, -2.0]).tolist() == [-1.0, 1.0]


def test_paired_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(2)
    n, lost, won = 400, 0.05, 0.03
    b = random.binomial(n, lost, 4000)
    c = random.binomial(n - b, won / (1 - lost))
    lower, upper = drop_interval(b, c, n)
    covered = float(((lower <= lost - won) & (lost - won <= upper)).mean())
    assert 0.94 <= covered <= 0.965


def test_the_t_test_from_three_numbers_is_scipys() -> None:
    values = np.random.default_rng(3).normal(0.1, 1.0, (20, 50))
    n, mean, sd = 50, values.mean(axis=1), values.std(axis=1, ddof=1)
    found = stats.ttest_1samp(values, 0.0, axis=1, alternative="greater")
    assert t_worse(n, mean, sd) == pytest.approx(found.pvalue, rel=1e-10)
    both = stats.ttest_1samp(values, 0.0, axis=1).confidence_interval(0.9)
    lower, upper = mean_interval(n, mean, sd, 0.9)
    assert lower == pytest.approx(both.low)
    assert upper == pytest.approx(both.high)


def test_without_spread_the_sign_decides_and_one_loss_says_nothing() -> None:
    assert t_worse([50, 50, 1], [0.0, 0.1, 5.0], [0.0, 0.0, 0.0]).tolist() == [1.0, 0.0, 1.0]


@given(st.integers(1, 500), st.data())
@settings(max_examples=60)
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(hits, n)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_newcombe_gives_the_published_examples() -> None:
    """Newcombe (1998), table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20."""
    lower, upper = newcombe([56, 9, 10], [70, 10, 10], [48, 3, 0], [80, 10, 20])
    assert lower == pytest.approx([0.0524, 0.1705, 0.6791], abs=1e-4)
    assert upper == pytest.approx([0.3339, 0.8090, 1.0], abs=1e-4)


def test_the_pooled_test_is_the_chi_squared_one() -> None:
    table = np.array([[430, 70], [400, 100]])
    both = stats.chi2_contingency(table, correction=False).pvalue
    assert float(pooled_worse(430, 500, 400, 500)) == pytest.approx(both / 2)
    assert 0.1 < float(pooled_worse(50, 50, 50, 50)) <= 0.5


@given(st.lists(probabilities, min_size=1, max_size=12))
def test_simes_is_what_the_procedure_rejects_first(p: list[float]) -> None:
    found = float(simes(np.array([p]))[0])
    ordered = sorted(p)
    assert found == pytest.approx(min(1.0, *(len(p) * one / (rank + 1) for rank, one in enumerate(ordered))))
    assert found == pytest.approx(float(benjamini_hochberg(p).min()))


def test_families_of_unequal_size_are_adjusted_each_for_itself() -> None:
    table = np.array([[0.01, 0.5, 0.02], [0.03, np.inf, np.inf], [np.inf, np.inf, np.inf], [0.2, np.inf, 0.04]])
    adjusted = adjusted_within(table)
    for row, expected in zip(table, adjusted, strict=True):
        tests = np.isfinite(row)
        assert expected[tests] == pytest.approx(stats.false_discovery_control(row[tests]) if tests.any() else [])
        assert np.isinf(expected[~tests]).all()
    assert simes(table).tolist() == pytest.approx([0.03, 0.03, np.inf, 0.08])
    assert simes(np.empty((3, 0))).tolist() == [np.inf] * 3


def test_no_tests_have_no_adjusted_p() -> None:
    assert benjamini_hochberg([]).size == 0


def test_intervals_of_few_findings_are_wide_and_of_all_are_plain() -> None:
    assert float(coverage_level(10, 10_000, 0.05)) == pytest.approx(1 - 5e-5)
    assert float(coverage_level(10_000, 10_000, 0.05)) == pytest.approx(0.95)


def test_the_detectable_effect_is_found_with_the_power_asked_for() -> None:
    effect = float(minimum_detectable_effect(0.01, 0.001, 0.8))
    assert effect == pytest.approx((3.0902 + 0.8416) * 0.01, abs=1e-6)
    assert stats.norm.sf((3.0902 * 0.01 - effect) / 0.01) == pytest.approx(0.8, abs=1e-4)


def test_a_slope_survives_outliers_and_needs_points_in_time() -> None:
    days = list(range(20))
    values = [0.9 - 0.001 * day for day in days]
    values[4] = 5.0
    found = theil_sen(values, days)
    assert found is not None
    slope, low, high = found
    assert slope == pytest.approx(-0.001)
    assert low <= slope <= high < 0
    assert theil_sen([0.9] * 5, list(range(5))) is None
    assert theil_sen([0.9] * 9, [1.0] * 9) is None
