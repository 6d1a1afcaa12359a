"""One spelling of JSON, its digest, and a difference that misses nothing."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.canonical import canonical_bytes, difference, digest_of
from governance.errors import InvalidInput

KEYS = st.sampled_from(["id", "name", "suiteId", "a", "b", "0", "1"]) | st.text(max_size=3)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.sampled_from([0, 1, 0.0, 1.0, -0.0, True, False, "0", "1", "", "a"])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
# Few distinct values, so that near misses (same names, another order, one more copy) come up often.
NAMED = st.fixed_dictionaries(
    {"id": st.sampled_from(["x", "y"])}, optional={"v": st.sampled_from([None, 0, False, ""])}
)
CLOSE = st.recursive(
    st.sampled_from([None, 0, 1, True, False, "x"]) | NAMED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "v"]), inner, max_size=2),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_difference_is_empty_exactly_for_equal_values(before: Any, after: Any) -> None:
    assert (difference(before, after) == []) == (canonical_bytes(before) == canonical_bytes(after))


@given(CLOSE, CLOSE)
def test_difference_of_values_that_are_almost_equal(before: Any, after: Any) -> None:
    assert (difference(before, after) == []) == (canonical_bytes(before) == canonical_bytes(after))


@given(VALUES)
def test_a_value_does_not_differ_from_itself_after_a_journey_through_json(value: Any) -> None:
    assert difference(value, json.loads(json.dumps(value))) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([{"id": "a", "v": 1}, {"id": "a", "v": 2}], [{"id": "a", "v": 9}, {"id": "a", "v": 2}]),
        ([{"id": "a"}], [{"id": "a"}, {"id": "a"}]),
        ([{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "a"}]),
        ([{"id": "1"}, "x"], [{"id": "0"}, "x"]),
        ([{"id": "1", "v": 1}, "x"], [{"id": "1", "v": 2}, "x"]),
        ({"a": None}, {}),
        ({"a": 1}, {"a": True}),
        ([0], [False]),
        ([None], []),
        ([], {}),
        ({}, None),
        (["a"], "a"),
        ({"a": []}, {"a": {}}),
    ],
)
def test_what_a_hurried_comparison_would_miss(before: Any, after: Any) -> None:
    assert difference(before, after)
    assert difference(after, before)


def test_the_same_number_is_the_same_value() -> None:
    assert difference({"a": 1, "b": -0.0}, {"a": 1.0, "b": 0}) == []
    assert digest_of({"a": 1, "b": -0.0}) == digest_of({"a": 1.0, "b": 0})


def test_items_are_matched_by_their_name_so_that_an_insertion_is_one_line() -> None:
    before = {"artifacts": [{"id": "b", "sha256": "1"}, {"id": "c", "sha256": "2"}]}
    after = {"artifacts": [{"id": "a", "sha256": "0"}, *before["artifacts"]]}
    assert difference(before, after) == [{"path": "artifacts[a]", "before": None, "after": {"id": "a", "sha256": "0"}}]


def test_lines_name_the_place_and_both_values() -> None:
    before = {"model": {"tags": ["x"]}, "evaluations": [{"suiteId": "s1", "taskMetrics": {"accuracy": 0.9}}]}
    after = {
        "model": {"tags": ["x", "y"]},
        "evaluations": [{"suiteId": "s1", "taskMetrics": {"accuracy": 0.8}}],
    }
    assert difference(before, after) == [
        {"path": "evaluations[s1].taskMetrics.accuracy", "before": 0.9, "after": 0.8},
        {"path": "model.tags[1]", "before": None, "after": "y"},
    ]


@settings(max_examples=40)
@given(VALUES)
def test_the_quick_way_spells_values_as_the_standard_does(value: Any) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("first", range(0, 0x110000, 0x1000))
def test_every_character_is_spelt_as_the_standard_does(first: int) -> None:
    characters = "".join(chr(code) for code in range(first, first + 0x1000) if not 0xD800 <= code <= 0xDFFF)
    assert canonical_bytes([characters]) == rfc8785.dumps([characters])


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=6), st.randoms(use_true_random=False))
def test_digest_does_not_depend_on_the_order_of_keys(value: dict[str, Any], shuffling: random.Random) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            shuffling.shuffle(keys)
            return {key: shuffled(item[key]) for key in keys}
        return [shuffled(part) for part in item] if isinstance(item, list) else item

    assert digest_of(shuffled(value)) == digest_of(value)


@given(VALUES, VALUES)
def test_digests_tell_values_apart(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == (canonical_bytes(one) == canonical_bytes(other))


def test_digest_is_the_one_that_others_compute() -> None:
    # sha256 of {"a":1,"b":[true,null,"é"]} in UTF-8, computed by sha256sum
    assert canonical_bytes({"b": [True, None, "é"], "a": 1}) == '{"a":1,"b":[true,null,"é"]}'.encode()
    assert digest_of({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        10**400,
        "\ud800",
        {"\udfff": 1},
        {1: "a"},
        b"bytes",
        {"a": {1, 2}},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        canonical_bytes({"nested": [value]})
    with pytest.raises(InvalidInput):
        digest_of(value)


def test_nesting_beyond_reason_is_refused() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidInput):
        canonical_bytes(value)
    while value:  # taken apart by hand: letting it go at once would recurse as deeply
        value = value[0]
