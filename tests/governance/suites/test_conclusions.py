from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.suites.conclusions import Measured, conclude

AT_LEAST = {"min": 0.9}


def m(value: float, low: float | None = None, high: float | None = None, n: int | None = 400) -> Measured:
    return Measured(value, low, high, n)


@pytest.mark.parametrize(
    ("measured", "options", "outcome", "words"),
    [
        # plain: the figure itself
        (m(0.93, 0.90, 0.95), {}, "passed", ""),
        (m(0.91, 0.88, 0.93), {}, "passed", ""),
        (m(0.89, 0.86, 0.92), {}, "failed", "below the threshold 0.9"),
        (m(0.95), {}, "passed", ""),
        # too few examples decide nothing, unless all of the interval is beyond
        (m(0.95, 0.8, 0.99, 29), {}, "insufficient_evidence", "29 examples, too few"),
        (m(1.0, 0.95, 1.0, 29), {}, "insufficient_evidence", "too few"),
        (m(0.85, 0.6, 0.95, 20), {}, "insufficient_evidence", "too few"),
        (m(0.2, 0.1, 0.4, 20), {}, "failed", "below"),
        (m(0.95, 0.8, 0.99, 29), {"minimum": 20}, "passed", ""),
        # the precision that a suite asks for
        (m(0.91, 0.88, 0.94), {"precision": 0.02}, "insufficient_evidence", "precision of 0.02"),
        (m(0.91, 0.88, 0.94), {"precision": 0.05}, "passed", ""),
        (m(0.97, 0.92, 0.99), {"precision": 0.02}, "passed", ""),
        (m(0.89, 0.8, 0.94), {"precision": 0.02}, "failed", "below"),
        (m(0.95), {"precision": 0.02}, "insufficient_evidence", "no interval"),
        # with a margin the bound decides
        (m(0.91, 0.885, 0.93), {"margin": 0.02}, "passed", ""),
        (m(0.89, 0.885, 0.895), {"margin": 0.02}, "passed", ""),
        (m(0.91, 0.87, 0.94), {"margin": 0.02}, "insufficient_evidence", "margin 0.02"),
        (m(0.86, 0.84, 0.875), {"margin": 0.02}, "failed", "below"),
        (m(0.95), {"margin": 0.02}, "insufficient_evidence", "no interval"),
        # what is no sample is decided by itself
        (m(1.0, n=None), {}, "passed", ""),
        (m(0.8, n=None), {"margin": 0.02}, "failed", "below"),
        # nothing measured
        (None, {}, "insufficient_evidence", "no finite value"),
        (m(math.nan), {}, "insufficient_evidence", "no finite value"),
    ],
)
def test_the_rule(measured: Measured | None, options: dict[str, float], outcome: str, words: str) -> None:
    found, reason = conclude("accuracy", AT_LEAST, measured, **options)  # type: ignore[arg-type]
    assert found == outcome
    assert words in reason
    assert bool(reason) is (outcome != "passed")


def test_a_maximum_is_the_mirror_image() -> None:
    assert conclude("ece", {"max": 0.1}, m(0.08, 0.05, 0.11))[0] == "passed"
    assert conclude("ece", {"max": 0.1}, m(0.12, 0.05, 0.15))[0] == "failed"
    assert conclude("ece", {"max": 0.1}, m(0.08, 0.05, 0.11), margin=0.02)[0] == "passed"
    assert conclude("ece", {"max": 0.1}, m(0.08, 0.05, 0.13), margin=0.02)[0] == "insufficient_evidence"
    assert conclude("ece", {"max": 0.1}, m(0.15, 0.13, 0.17), margin=0.02)[0] == "failed"


SHARES = st.floats(0, 1, allow_nan=False)


@given(SHARES, SHARES, SHARES, SHARES, st.integers(0, 100), st.none() | st.floats(0, 0.2), st.booleans())
def test_no_pass_without_evidence(
    value: float, a: float, b: float, limit: float, n: int, margin: float | None, upper: bool
) -> None:
    """A pass has 30 examples and a figure, or with a margin a bound, that is within the limit."""
    low, high = min(a, b, value), max(a, b, value)
    limits = {"max": limit} if upper else {"min": limit}
    outcome, reason = conclude("x", limits, m(value, low, high, n), margin=margin)
    if outcome == "passed":
        assert n >= 30
        slack = margin or 0.0
        edge = value if margin is None else high if upper else low
        assert edge <= limit + slack if upper else edge >= limit - slack
    else:
        assert reason


def test_the_minimum_detectable_effect_is_that_of_a_share() -> None:
    """(1.645 + 0.842) standard errors: a share of 0.5 on 400 examples has a standard error of 0.025."""
    half = 1.959963984540054 * 0.025
    found = m(0.5, 0.5 - half, 0.5 + half).minimum_detectable_effect
    assert found == pytest.approx(2.486475 * 0.025, abs=1e-6)
    assert m(0.5).minimum_detectable_effect is None
