"""Latency and cost: the reference is gathered, spikes pass, a lasting growth is found and forgotten when it is over."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.regression.series import SeriesJudgement, SeriesState, advance_series
from governance.regression.settings import DEFAULT_SERIES, SeriesSettings


def follow(values: Iterable[float], state: SeriesState | None = None) -> tuple[SeriesState, list[SeriesJudgement]]:
    said = []
    for value in values:
        state, judgement = advance_series(state, value)
        said.append(judgement)
    assert state is not None
    return state, said


def noise(seed: int, nights: int, level: float = 100.0) -> list[float]:
    wobble = np.random.default_rng(seed).normal(0, 0.04, nights)
    return [level * math.exp(one) for one in wobble]


def test_the_reference_is_gathered_first() -> None:
    state, said = follow(noise(1, 28))
    assert not any(one.alarm for one in said)
    assert said[0].reason == "1 of 28 nights of the reference are known."
    assert state.centre == pytest.approx(math.log(100), abs=0.03)
    assert state.reference == ()
    assert state.spread is not None
    assert 0.02 < state.spread < 0.08


@pytest.mark.parametrize(("growth", "severity"), [(1.08, "low"), (1.18, "medium"), (1.5, "high")])
def test_a_lasting_growth_is_found_with_its_severity(growth: float, severity: str) -> None:
    _, said = follow([*noise(1, 60), *noise(2, 21, 100 * growth)])
    assert not any(one.alarm for one in said[:60])
    assert said[-1].alarm
    assert said[-1].severity == severity
    assert math.expm1(said[-1].change) == pytest.approx(growth - 1, abs=0.04)
    assert "off the reference" in said[-1].reason


def test_single_spikes_do_not_alarm() -> None:
    values = noise(3, 120)
    for night in range(30, 120, 12):
        values[night] *= 3
    assert not any(one.alarm for one in follow(values)[1])


def test_getting_faster_is_no_alarm() -> None:
    assert not any(one.alarm for one in follow([*noise(1, 40), *noise(2, 40, 60.0)])[1])


def test_it_begins_again_when_the_growth_is_over() -> None:
    state, said = follow([*noise(1, 40), *noise(2, 30, 150.0), *noise(4, 12, 98.0)])
    assert said[69].alarm
    assert not said[-1].alarm
    assert np.mean(state.evidence) < 10


def test_a_series_that_never_moved_is_judged_by_the_least_spread() -> None:
    state, said = follow([100.0] * 40)
    assert state.spread == pytest.approx(DEFAULT_SERIES.steadiest)
    assert not any(one.alarm for one in said)
    assert follow([102.0] * 30, state)[1][-1].alarm is False  # below 3 %
    assert follow([104.0] * 30, state)[1][-1].alarm is True


def test_neighbouring_nights_that_go_together_widen_the_spread() -> None:
    values = np.random.default_rng(8).normal(0, 0.05, 28)
    together = np.repeat(values[:14], 2)
    apart, _ = follow(np.exp(values).tolist())
    paired, _ = follow(np.exp(together).tolist())
    assert apart.spread is not None
    assert paired.spread is not None
    assert paired.spread > 1.3 * apart.spread


@given(st.floats(1e-3, 1e6), st.integers(0, 50))
@settings(max_examples=30)
def test_the_unit_says_nothing(unit: float, seed: int) -> None:
    values = [*noise(seed, 35), *noise(seed + 1, 15, 112.0)]
    _, plain = follow(values)
    _, scaled = follow(value * unit for value in values)
    assert [one.alarm for one in plain] == [one.alarm for one in scaled]
    assert [one.change for one in plain] == pytest.approx([one.change for one in scaled], abs=1e-9)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_values_without_a_logarithm_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        advance_series(None, value)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        SeriesSettings(reference=3)
    with pytest.raises(ValueError, match="rise"):
        SeriesSettings(medium=0.3)
