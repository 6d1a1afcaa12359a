"""Everything that goes in or comes out survives JSON; impossible figures are refused at once."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.regression.measurements import Counts, DriftState, Figures, Judgement, Losses, Measurement, Totals
from governance.regression.night import judge_night
from governance.regression.series import SeriesJudgement, SeriesState, advance_series

sizes = st.integers(0, 10**7)
reals = st.floats(-1e6, 1e6)
spreads = st.floats(0, 1e6)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    b, c, rest = draw(sizes), draw(sizes), draw(sizes)
    return Counts(b, c, b + c + rest)


@st.composite
def totals(draw: st.DrawFn) -> Totals:
    n, baseline_n = draw(sizes), draw(sizes)
    return Totals(draw(st.integers(0, n)), n, draw(st.integers(0, baseline_n)), baseline_n)


losses = st.builds(Losses, sizes, reals, spreads, spreads)


@st.composite
def measurements(draw: st.DrawFn, key: str = "m") -> Measurement:
    figures: st.SearchStrategy[Any] = draw(st.sampled_from([counts(), losses, totals()]))
    overall: Figures = draw(figures)
    paired = not isinstance(overall, Totals)
    drift = st.builds(
        DriftState,
        st.tuples(*[st.floats(0, 1e6)] * 4),
        st.integers(7, 500),
        st.lists(figures, min_size=7, max_size=7).map(tuple),
    )
    return Measurement(
        key=key,
        evidence="paired" if paired else "aggregate",
        overall=overall,
        slices=draw(st.dictionaries(st.text(max_size=5), figures, max_size=4)),
        fresh=draw(st.booleans()),
        guard=draw(st.none() | figures),
        detector=draw(st.none() | drift) if paired else None,
        breached=draw(st.booleans()),
    )


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


@given(measurements())
@settings(max_examples=80)
def test_measurements_survive_json(one: Measurement) -> None:
    assert Measurement.from_json(_through_json(one.to_json())) == one


@given(measurements("a"), measurements("b"), measurements("c"))
@settings(max_examples=120)
def test_every_judgement_is_finite_and_survives_json(one: Measurement, two: Measurement, three: Measurement) -> None:
    judgements = judge_night([one, two, three])
    assert list(judgements) == ["a", "b", "c"]
    for judgement in judgements.values():
        assert Judgement.from_json(_through_json(judgement.to_json())) == judgement
        assert 0 <= judgement.p <= 1
        assert 0 <= judgement.q <= 1
        assert judgement.lower <= judgement.upper
        assert judgement.detected == (judgement.conclusion == "regression") == (judgement.severity != "none")
        assert judgement.detected == bool(judgement.causes) == (judgement.bound is not None)
        again = judgement.detector
        assert again is None or DriftState.from_json(_through_json(again.to_json())) == again


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=45))
@settings(max_examples=60)
def test_series_survive_json(values: list[float]) -> None:
    kept: SeriesState | None = None
    other: SeriesState | None = None
    for value in values:
        kept, said = advance_series(kept, value)
        other, also = advance_series(other, value)
        other = SeriesState.from_json(_through_json(other.to_json()))
        assert (kept, said) == (other, also)
        assert SeriesJudgement.from_json(_through_json(said.to_json())) == said


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        (Counts, (5, 6, 10)),
        (Counts, (-1, 0, 10)),
        (Losses, (10, math.nan, 1.0, 1.0)),
        (Losses, (10, 0.0, -1.0, 1.0)),
        (Losses, (10, 0.0, 1.0, math.inf)),
        (Totals, (11, 10, 1, 10)),
        (Totals, (1, 10, 11, 10)),
    ],
)
def test_impossible_figures_are_refused(kind: Any, figures: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        kind(*figures)


def test_figures_of_one_measurement_are_of_one_kind() -> None:
    whole, other = Counts(3, 2, 100), Losses(100, 0.0, 1.0, 1.0)
    rest: dict[str, Any] = {"key": "m", "fresh": True, "detector": None, "breached": False}
    with pytest.raises(ValueError, match="Counts"):
        Measurement(evidence="paired", overall=whole, slices={"a=b": other}, guard=None, **rest)
    with pytest.raises(ValueError, match="Counts"):
        Measurement(evidence="paired", overall=whole, slices={}, guard=other, **rest)
    with pytest.raises(ValueError, match="aggregate"):
        Measurement(evidence="aggregate", overall=whole, slices={}, guard=None, **rest)


def test_two_measurements_of_one_key_are_refused() -> None:
    one = Measurement("m", "paired", Counts(3, 2, 100), {}, True, None, None, False)
    with pytest.raises(ValueError, match="same key"):
        judge_night([one, one])
