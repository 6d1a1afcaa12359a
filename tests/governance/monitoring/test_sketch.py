"""Sketches against exact percentiles, and against the library whose bytes they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ddsketch import DDSketch
from ddsketch.pb import ddsketch_pb2
from ddsketch.pb.proto import DDSketchProto
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.monitoring.sketch import RELATIVE_ACCURACY, SMALLEST_MS, Sketch

to_proto: Any = DDSketchProto.to_proto  # without types, as all of that library
from_proto: Any = DDSketchProto.from_proto
make_sketch: Any = DDSketch
messages: Any = ddsketch_pb2
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)


def sketch_of(values: Any) -> Sketch:
    sketch = Sketch()
    sketch.add(values)
    return sketch


def library(values: Any) -> Any:
    sketch = make_sketch(RELATIVE_ACCURACY)
    for value in values:
        sketch.add(value)
    return sketch


def read_by_library(sketch: Sketch) -> Any:
    return from_proto(messages.DDSketch.FromString(sketch.to_bytes()))


SHAPES: dict[str, Callable[[random.Random], list[float]]] = {
    "lognormal": lambda r: [r.lognormvariate(5, 1) for _ in range(20_000)],
    "uniform": lambda r: [r.uniform(0, 1_000) for _ in range(20_000)],
    "pareto tail": lambda r: [50 * r.paretovariate(1.1) for _ in range(20_000)],
    "two humps": lambda r: [r.gauss(20, 1) if r.random() < 0.5 else r.gauss(2_000, 50) for _ in range(20_000)],
    "all the same": lambda r: [12.5] * 500,
    "few": lambda r: [3.0, 1.0, 2.0],
    "zeros among them": lambda r: [0.0] * 300 + [r.expovariate(1 / 80) for _ in range(700)],
    "a nanosecond to a day": lambda r: [10 ** r.uniform(-5.9, 7.9) for _ in range(20_000)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_are_within_one_percent(shape: str) -> None:
    values = SHAPES[shape](random.Random(7))
    sketch = sketch_of(values)
    for quantile in QUANTILES:
        exact = float(np.quantile(values, quantile, method="lower"))
        found = sketch.quantile(quantile)
        assert found is not None
        assert abs(found - exact) <= RELATIVE_ACCURACY * exact * (1 + 1e-9), (quantile, exact, found)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_library_counts_the_same_bins_and_reads_the_same_percentiles(shape: str) -> None:
    values = SHAPES[shape](random.Random(8))
    sketch, theirs = sketch_of(values), library(values)
    assert Sketch.from_bytes(to_proto(theirs).SerializeToString()) == sketch
    read = read_by_library(sketch)
    assert read.count == len(values) == sketch.count
    for quantile in QUANTILES:
        assert sketch.quantile(quantile) == theirs.get_quantile_value(quantile)
        assert sketch.quantile(quantile) == pytest.approx(read.get_quantile_value(quantile), rel=1e-12)


def test_the_library_merges_ours_with_its_own() -> None:
    r = random.Random(9)
    first, second = ([r.lognormvariate(4, 1) for _ in range(500)] for _ in range(2))
    merged = read_by_library(sketch_of(first))
    # The library takes gamma through the accuracy and back, and compares exactly: both come from bytes.
    merged.merge(from_proto(to_proto(library(second))))
    ours = sketch_of([*first, *second])
    assert merged.count == 1_000
    found = [merged.get_quantile_value(quantile) for quantile in QUANTILES]
    assert found == pytest.approx([ours.quantile(quantile) for quantile in QUANTILES], rel=1e-12)


timings = st.lists(st.floats(0, 86_400_000, allow_nan=False), max_size=60)


@settings(deadline=None, max_examples=150)
@given(st.lists(timings, max_size=6))
def test_merging_in_any_order_and_through_bytes_loses_nothing(parts: list[list[float]]) -> None:
    whole = sketch_of([value for part in parts for value in part])
    forwards, backwards = Sketch(), Sketch()
    for part in parts:
        forwards.merge_bytes(sketch_of(part).to_bytes())
    for part in reversed(parts):
        backwards.merge(sketch_of(part))
    assert forwards == backwards == whole
    assert Sketch.from_bytes(whole.to_bytes()) == whole


def test_what_is_below_a_nanosecond_is_zero_and_bins_are_bounded() -> None:
    sketch = sketch_of([5e-324, SMALLEST_MS, 1e-5, 86_400_000.0])
    assert sketch.zeros == 2
    assert sketch.quantile(0) == 0.0
    assert len(sketch.to_bytes()) < 16_000
    assert Sketch().quantile(0.5) is None


def test_a_sketch_of_another_accuracy_is_refused() -> None:
    other = to_proto(make_sketch(0.02)).SerializeToString()
    with pytest.raises(ValueError, match="another accuracy"):
        Sketch().merge_bytes(other)


def test_how_many_are_above() -> None:
    sketch = sketch_of([10.0] * 90 + [1_000.0] * 10)
    assert (sketch.above(20), sketch.above(5), sketch.above(2_000)) == (10, 100, 0)
