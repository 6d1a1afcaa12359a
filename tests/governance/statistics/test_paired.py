from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln, ndtr, xlogy

from governance.statistics.discordance import midp_worse
from governance.statistics.paired import (
    FEWEST_LOSSES,
    LARGEST_RATIO,
    PairedComparison,
    compare_binary,
    compare_continuous,
)

CONCLUSIONS = {"not_worse", "worse", "insufficient_evidence"}
Floats = NDArray[np.float64]


@st.composite
def counts(draw: st.DrawFn, largest: int = 2000) -> tuple[int, int, int]:
    n = draw(st.integers(1, largest))
    b = draw(st.integers(0, n))
    return b, draw(st.integers(0, n - b)), n


margins = st.floats(0.001, 0.2)


# ---------------------------------------------------------------- right or wrong


@given(counts(), margins)
@settings(max_examples=150, deadline=None)
def test_midp_is_the_exact_binomial_one(case: tuple[int, int, int], margin: float) -> None:
    b, c, n = case
    assume(b + c > 0)
    at_least = stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue
    expected = at_least - 0.5 * stats.binom.pmf(b, b + c, 0.5)
    assert compare_binary(b, c, n, margin=margin).p_worse == pytest.approx(expected, rel=1e-9, abs=1e-200)


def test_midp_by_counting_every_outcome() -> None:
    outcomes = [math.comb(9, k) for k in range(10)]  # of nine disagreements, k against the candidate
    expected = (sum(outcomes[8:]) + outcomes[7] / 2) / 2**9
    assert compare_binary(7, 2, 40, margin=0.01).p_worse == pytest.approx(expected)


def test_a_small_tail_keeps_its_size() -> None:
    assert 0 < compare_binary(900, 100, 10_000, margin=0.01).p_worse < 1e-150


@given(counts(), margins)
@settings(max_examples=300, deadline=None)
def test_one_conclusion_that_its_own_figures_support(case: tuple[int, int, int], margin: float) -> None:
    b, c, n = case
    found = compare_binary(b, c, n, margin=margin)
    assert found.conclusion in CONCLUSIONS
    assert (found.conclusion == "not_worse") == (found.upper <= margin)
    if found.conclusion == "worse":
        assert found.p_worse <= 0.05
        assert found.drop > 0
    assert -1 <= found.lower <= found.drop + 1e-9
    assert found.drop - 1e-9 <= found.upper <= 1
    assert (found.lower > margin) == (found.p_beyond_margin < 0.05)
    json.dumps(dataclasses.asdict(found), allow_nan=False)


@given(counts(500), margins)
@settings(max_examples=150, deadline=None)
def test_one_more_mistake_never_helps(case: tuple[int, int, int], margin: float) -> None:
    b, c, n = case
    assume(b + c < n)
    before, after = compare_binary(b, c, n, margin=margin), compare_binary(b + 1, c, n, margin=margin)
    assert after.p_worse <= before.p_worse
    assert after.p_beyond_margin <= before.p_beyond_margin + 1e-12
    assert after.upper >= before.upper
    assert (before.conclusion, after.conclusion) != ("insufficient_evidence", "not_worse")
    assert (before.conclusion, after.conclusion) != ("worse", "insufficient_evidence")


@given(counts(500), margins, margins)
@settings(max_examples=150, deadline=None)
def test_a_wider_margin_never_refuses_more(case: tuple[int, int, int], one: float, other: float) -> None:
    b, c, n = case
    narrow, wide = sorted((one, other))
    order = {"worse": 0, "insufficient_evidence": 1, "not_worse": 2}
    conclusions = [compare_binary(b, c, n, margin=m).conclusion for m in (narrow, wide)]
    assert order[conclusions[0]] <= order[conclusions[1]]


@pytest.mark.parametrize(("n", "points"), [(500, 4.3), (5000, 1.4)])
def test_minimum_detectable_effect_at_six_percent_churn_and_a_fleet_cut(n: int, points: float) -> None:
    churn = round(0.06 * n)
    found = compare_binary(churn // 2, churn // 2, n, margin=0.005, alpha=1 - float(ndtr(3.1)), power=0.8)
    assert round(100 * found.minimum_detectable_effect, 1) == points


def test_the_power_at_the_minimum_detectable_effect_is_what_was_asked() -> None:
    n, churn = 500, 0.06
    effect = compare_binary(15, 15, n, margin=0.005).minimum_detectable_effect
    worse = sum(
        p
        for b, c, p in _outcomes(n, (churn + effect) / 2, (churn - effect) / 2)
        if compare_binary(b, c, n, margin=0.005).p_worse <= 0.05
    )
    assert 0.78 <= worse <= 0.85


def test_needed_n_is_enough() -> None:
    margin = 0.02
    needed = compare_binary(3, 3, 100, margin=margin).needed_n
    assert needed is not None
    shown = sum(
        p
        for b, c, p in _outcomes(needed, 0.03, 0.03)
        if compare_binary(b, c, needed, margin=margin).conclusion == "not_worse"
    )
    assert 0.77 <= shown <= 0.9


@pytest.mark.parametrize(
    ("b", "c", "n", "margin", "conclusion"),
    [
        (0, 0, 0, 0.02, "insufficient_evidence"),
        (0, 0, 20, 0.02, "insufficient_evidence"),  # identical, but twenty examples show nothing
        (0, 0, 171, 0.02, "not_worse"),
        (0, 0, 171, 0.01, "insufficient_evidence"),
        (0, 0, 10_000, 0.001, "not_worse"),
        (0, 0, 10_000, 0.0, "insufficient_evidence"),  # nothing shows that there is no drop at all
        (0, 30, 500, 0.0, "not_worse"),  # unless the candidate is better
        (25, 2, 171, 0.02, "worse"),
        (30, 10, 10_000, 0.01, "not_worse"),  # a significant drop that is surely tolerated
        (12, 8, 500, 0.005, "insufficient_evidence"),
        (1, 0, 1, 0.02, "insufficient_evidence"),
    ],
)
def test_examples(b: int, c: int, n: int, margin: float, conclusion: str) -> None:
    assert compare_binary(b, c, n, margin=margin).conclusion == conclusion


def test_impossible_input_is_refused() -> None:
    for b, c, n in ((-1, 0, 5), (0, -1, 5), (3, 3, 5)):
        with pytest.raises(ValueError, match="impossible"):
            compare_binary(b, c, n, margin=0.01)
    for margin in (-0.01, 1.5, math.nan):
        with pytest.raises(ValueError, match="margin"):
            compare_binary(1, 1, 5, margin=margin)
    with pytest.raises(ValueError, match="alpha"):
        compare_binary(1, 1, 5, margin=0.01, alpha=0.0)


def _outcomes(n: int, against: float, in_favour: float) -> list[tuple[int, int, float]]:
    """Every (b, c) with a probability above 1e-12 for n examples; exact, no simulation."""
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    b, c = b[b + c <= n], c[b + c <= n]
    same = n - b - c
    logs = gammaln(n + 1) - gammaln(b + 1) - gammaln(c + 1) - gammaln(same + 1)
    logs = logs + xlogy(b, against) + xlogy(c, in_favour) + xlogy(same, max(0.0, 1 - against - in_favour))
    keep = logs > -27
    return [(int(i), int(j), float(p)) for i, j, p in zip(b[keep], c[keep], np.exp(logs[keep]), strict=True)]


def _rate(n: int, against: float, in_favour: float, margin: float, conclusion: str) -> float:
    return sum(
        p
        for b, c, p in _outcomes(n, against, in_favour)
        if compare_binary(b, c, n, margin=margin).conclusion == conclusion
    )


@pytest.mark.parametrize("n", [60, 171])
@pytest.mark.parametrize("churn", [0.01, 0.06, 0.2])
def test_equal_models_are_seldom_called_worse(n: int, churn: float) -> None:
    assert _rate(n, churn / 2, churn / 2, 0.01, "worse") <= 0.05


@pytest.mark.parametrize("n", [60, 171])
@pytest.mark.parametrize(("margin", "in_favour"), [(0.01, 0.0), (0.03, 0.0), (0.03, 0.02), (0.05, 0.005)])
def test_a_candidate_worse_by_the_margin_seldom_passes(n: int, margin: float, in_favour: float) -> None:
    assert _rate(n, in_favour + margin, in_favour, margin, "not_worse") <= 0.06


def test_the_midp_test_stays_below_its_documented_size() -> None:
    """Exact: how often equal models are called different, per number of disagreements and averaged."""
    size = np.zeros(401)
    for m in range(1, 401):
        against = np.arange(m + 1)
        called = against[midp_worse(against, m - against) <= 0.05]
        size[m] = stats.binom.sf(called[0] - 1, m, 0.5) if called.size else 0.0
    assert size.max() <= 0.0731
    for n in (20, 70, 171, 400):
        for churn in (0.02, 0.06, 0.2, 0.48):
            assert float(stats.binom.pmf(np.arange(n + 1), n, churn) @ size[: n + 1]) <= 0.0503


# ---------------------------------------------------------------- losses


def _pair(seed: int, n: int = 400, growth: float = 0.0) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    difficulty = random.gamma(2.0, 1.0, n)
    incumbent = difficulty * random.uniform(0.8, 1.2, n)
    return difficulty * random.uniform(0.8, 1.2, n) * (1 + growth), incumbent


def test_losses_against_the_paired_t_test_of_scipy() -> None:
    candidate, incumbent = _pair(1, growth=0.02)
    found = compare_continuous(candidate, incumbent, margin=0.05)
    assert found.p_worse == pytest.approx(stats.ttest_rel(candidate, incumbent, alternative="greater").pvalue)
    beyond = stats.ttest_1samp(candidate - 1.05 * incumbent, 0, alternative="greater").pvalue
    assert found.p_beyond_margin == pytest.approx(beyond)
    assert found.drop == pytest.approx(candidate.mean() / incumbent.mean() - 1)
    assert found.lower < found.drop < found.upper


@pytest.mark.parametrize(
    ("growth", "margin", "conclusion"),
    [
        (0.0, 0.05, "not_worse"),
        (0.1, 0.05, "worse"),
        (0.02, 0.05, "not_worse"),
        (0.0, 0.001, "insufficient_evidence"),
    ],
)
def test_loss_examples(growth: float, margin: float, conclusion: str) -> None:
    assert compare_continuous(*_pair(7, growth=growth), margin=margin).conclusion == conclusion


@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.floats(-0.3, 0.3), st.floats(0, 0.3))
@settings(max_examples=150, deadline=None)
def test_the_bound_and_the_margin_test_agree(seed: int, n: int, growth: float, margin: float) -> None:
    found = compare_continuous(*_pair(seed, n, growth), margin=margin)
    assume(abs(found.upper - margin) > 1e-9)
    if found.upper < LARGEST_RATIO:
        assert (found.upper <= margin) == (found.p_beyond_margin >= 0.95)
    assert (found.conclusion == "not_worse") == (found.upper <= margin and n >= FEWEST_LOSSES)
    if found.conclusion == "worse":
        assert found.p_worse <= 0.05
    json.dumps(dataclasses.asdict(found), allow_nan=False)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(seed: int, unit: float) -> None:
    candidate, incumbent = _pair(seed, 60, 0.03)
    one = compare_continuous(candidate, incumbent, margin=0.05)
    other = compare_continuous(candidate * unit, incumbent * unit, margin=0.05)
    assert (one.drop, one.upper, one.p_worse) == pytest.approx((other.drop, other.upper, other.p_worse))


def test_error_rates_of_the_loss_comparison() -> None:
    """2000 simulated suites of 200 examples: equal models, and models worse by exactly the margin."""
    equal = [compare_continuous(*_pair(seed, 200), margin=0.005).conclusion for seed in range(2000)]
    assert equal.count("worse") / 2000 <= 0.06  # the simulation's standard error is 0.005
    at_margin = [compare_continuous(*_pair(seed, 200, 0.03), margin=0.03).conclusion for seed in range(2000)]
    assert at_margin.count("not_worse") / 2000 <= 0.06
    clear = [compare_continuous(*_pair(seed, 200, 0.15), margin=0.03).conclusion for seed in range(200)]
    assert clear.count("worse") == 200


@pytest.mark.parametrize(
    ("candidate", "incumbent", "conclusion"),
    [
        ([], [], "insufficient_evidence"),
        ([1.0], [1.0], "insufficient_evidence"),
        ([1.0] * 10, [1.0] * 10, "insufficient_evidence"),  # too few for the t test
        ([1.0, 2.0] * 20, [1.0, 2.0] * 20, "not_worse"),
        ([0.0] * 40, [0.0] * 40, "not_worse"),  # both perfect
        ([1.0, 2.0] * 20, [0.0] * 40, "worse"),  # the incumbent makes no error at all
        ([2.0] * 40, [1.0] * 40, "worse"),
        ([1e300, 2e300] * 20, [1e300, 2e300] * 20, "not_worse"),
    ],
)
def test_loss_edge_cases(candidate: list[float], incumbent: list[float], conclusion: str) -> None:
    found: PairedComparison = compare_continuous(candidate, incumbent, margin=0.05)
    assert found.conclusion == conclusion
    json.dumps(dataclasses.asdict(found), allow_nan=False)


def test_impossible_losses_are_refused() -> None:
    for candidate, incumbent, why in (
        ([1.0], [1.0, 2.0], "not paired"),
        ([math.nan, 1.0], [1.0, 1.0], "finite"),
        ([1.0, 1.0], [math.inf, 1.0], "finite"),
        ([-1.0, 1.0], [1.0, 1.0], "negative"),
        ([[1.0]], [[1.0]], "shape"),
    ):
        with pytest.raises(ValueError, match=why):
            compare_continuous(candidate, incumbent, margin=0.05)
