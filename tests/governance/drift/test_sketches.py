"""Cells: every value has one, counting is exact and adds up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.drift.sketches import (
    BINS,
    LEVELS,
    CategoricalSketch,
    NumericSketch,
    categorical_from,
    categorical_sketch,
    merged,
    numeric_sketch,
    sketch_from_json,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY = st.floats(allow_nan=True, allow_infinity=True)


def of(values: list[float] | np.ndarray[Any, Any]) -> NumericSketch:
    found = numeric_sketch("x", np.asarray(values, dtype=np.float64))
    assert found is not None
    return found


@given(st.lists(FINITE, min_size=1, max_size=80), st.lists(ANY, max_size=40))
def test_every_number_has_a_cell_and_both_ways_of_counting_agree(reference: list[float], live: list[float]) -> None:
    sketch = of(reference)
    assert sum(sketch.counts) == len(reference)
    assert sketch.counts[0] == sketch.counts[sketch.ordered - 1] == 0  # nothing of itself lies beyond its edges
    assert len(sketch.counts) == len(sketch.cells)
    assert sketch.count(live) == sketch.count_array(np.array(live, dtype=np.float64))
    assert sum(sketch.count(live)) == len(live)
    assert list(sketch.positions) == sorted(sketch.positions)
    assert math.isfinite(sketch.deviation)
    assert sketch_from_json(sketch.to_json()) == sketch


@given(st.lists(FINITE, min_size=1, max_size=50), st.lists(ANY, max_size=30), st.lists(ANY, max_size=30))
def test_counts_of_two_halves_add_up(reference: list[float], one: list[float], other: list[float]) -> None:
    sketch = of(reference)
    assert merged(sketch.count(one), sketch.count(other)) == sketch.count(one + other)
    assert merged(sketch.count(one), sketch.count(other)) == merged(sketch.count(other), sketch.count(one))


def test_counts_of_different_cells_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        merged([1, 2], [1, 2, 3])


def test_quantile_bins_hold_equal_shares() -> None:
    sketch = of(np.random.default_rng(1).lognormal(size=10_000))
    bins = sketch.counts[1 : sketch.ordered - 1]
    assert len(bins) == BINS
    assert all(abs(n - 500) <= 1 for n in bins)


def test_a_few_different_numbers_have_a_bin_each() -> None:
    sketch = of([0, 1, 1, 2, 2, 2])
    assert list(sketch.counts) == [0, 1, 2, 3, 0, 0, 0]
    assert list(sketch.means) == [0, 1, 2]
    assert sketch.count([0, 1, 2, -1, 3]) == (1, 1, 1, 1, 1, 0, 0)


def test_what_never_varied_has_one_bin_and_everything_else_is_beyond_it() -> None:
    sketch = of([5.0] * 100)
    assert sketch.count([4.9, 5.0, 5.1, None, "5"]) == (1, 1, 1, 1, 1)
    assert sketch.deviation == 0


def test_many_equal_values_do_not_break_the_bins() -> None:
    values = np.concatenate([np.zeros(9000), np.random.default_rng(2).exponential(size=1000)])
    sketch = of(values)
    assert sketch.counts[1] >= 9000
    assert sketch.count_array(values) == sketch.counts


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, "missing"), (math.nan, "missing"), (math.inf, "above"), (-math.inf, "below"), ("1", "invalid"),
        ([1], "invalid"), ({}, "invalid"), (10**400, "above"), (-(10**400), "below"), (True, "0.975 to 1.025"),
    ],
)  # fmt: skip
def test_strange_numbers(value: Any, cell: str) -> None:
    sketch = of(np.round(np.arange(0.95, 1.1, 0.05), 6))
    assert sketch.cells[sketch.cell_of(value)] == cell


def test_a_column_without_a_number_has_no_sketch() -> None:
    assert numeric_sketch("x", np.array([np.nan, np.inf, -np.inf])) is None
    assert numeric_sketch("x", np.array([])) is None


def test_frequent_texts_have_cells_and_rare_ones_do_not() -> None:
    names = [f"patient {number}" for number in range(500)]
    sketch = categorical_from("region", ["north"] * 60 + ["south"] * 40 + [*names, None])
    assert sketch.levels == ("north", "south")
    assert sketch.counts == (60, 40, 500, 1, 0)
    assert "patient" not in str(sketch.to_json())
    assert sketch_from_json(sketch.to_json()) == sketch


def test_there_are_at_most_twenty_levels_and_the_rest_is_other() -> None:
    sketch = categorical_sketch("x", {f"{n:03}": 1000 - n for n in range(50)})
    assert len(sketch.levels) == LEVELS
    assert sum(sketch.counts) == sum(1000 - n for n in range(50))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("1", "1"), (1, "1"), (1.0, "1"), (True, "True"), ("two", "other"), ("x" * 10_000_000, "other"),
        (10**4000, "other"), (None, "missing"), (math.nan, "missing"), ([], "invalid"), ({"a": 1}, "invalid"),
        (math.inf, "other"), ("\0", "other"), ("\ud800", "other"),
    ],
)  # fmt: skip
def test_strange_texts(value: Any, cell: str) -> None:
    sketch = CategoricalSketch("x", "input", ("1", "True"), (5, 5, 0, 0, 0))
    assert sketch.cells[sketch.cell_of(value)] == cell
    assert sum(sketch.count([value])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1]}, {"counts": [-1, 1, 1, 1, 1]}, {"edges": [2.0, 1.0]}, {"edges": [1.0]},
        {"means": [1.0, 2.0]}, {"role": "boss"}, {"deviation": math.inf}, {"edges": [1.0, math.nan]},
    ],
)  # fmt: skip
def test_what_no_sketch_is_is_refused(change: dict[str, Any]) -> None:
    good = of([1.0, 1.0]).to_json()
    assert sketch_from_json(good)
    with pytest.raises(ValueError, match="not a sketch"):
        sketch_from_json({**good, **change})
