"""What is a point, and what is kept of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import InvalidInput
from governance.monitoring.error_types import MOST_TYPES, admitted, error_type
from governance.monitoring.points import MOST_POINTS, Tally, Window, tallied
from governance.monitoring.windows import Span, oldest_kept, start_of, window_start

AT = datetime(2026, 3, 2, 12, 34, 56, tzinfo=UTC)


def test_points_are_added_up() -> None:
    points = [
        {"timing_ms": 10, "success": True},
        {"timing_ms": 20.5},
        {"timing_ms": 0.25, "success": False, "error": "TimeoutError: after 30 s, password=hunter2"},
        {"timing_ms": 7, "success": False},
    ]
    (window, tally), *rest = tallied(points, AT).items()
    assert not rest
    assert window == Window(Span.MINUTE, AT.replace(second=0))
    assert (tally.points, tally.successes, tally.failures) == (4, 2, 2)
    assert (tally.min_ms, tally.max_ms, tally.sum_ns) == (0.25, 20.5, 37_750_000)
    assert (tally.mean_ms, tally.success_rate) == (9.4375, 50.0)
    assert tally.errors == {"timeout_error": 1, "unspecified": 1}
    assert tally.last_at == AT


@pytest.mark.parametrize(
    ("point", "field"),
    [
        ({}, "timing_ms"),
        ({"timing_ms": None}, "timing_ms"),
        ({"timing_ms": "12"}, "timing_ms"),
        ({"timing_ms": True}, "timing_ms"),
        ({"timing_ms": -0.001}, "timing_ms"),
        ({"timing_ms": math.nan}, "timing_ms"),
        ({"timing_ms": math.inf}, "timing_ms"),
        ({"timing_ms": 86_400_001}, "timing_ms"),
        ({"timing_ms": 10**400}, "timing_ms"),
        ({"timing_ms": 1, "success": "true"}, "success"),
        ({"timing_ms": 1, "success": 1}, "success"),
        ({"timing_ms": 1, "success": None}, "success"),
        ({"timing_ms": 1, "success": False, "error": 5}, "error"),
        ({"timing_ms": 1, "success": False, "error": "x" * 2_001}, "error"),
        ({"timing_ms": 1, "error": "model_error"}, "error"),
        ({"timing_ms": 1, "at": "2026-03-02T12:00:00"}, "at"),
        ({"timing_ms": 1, "at": "yesterday"}, "at"),
        ({"timing_ms": 1, "at": 1_772_454_896}, "at"),
        ({"timing_ms": 1, "at": "2026-03-01T12:34:00Z"}, "at"),
        ({"timing_ms": 1, "at": "2026-03-02T12:41:00Z"}, "at"),
        ({"timing_ms": 1, "at": "9999-12-31T23:59:59-23:59"}, "at"),
        ({"timing_ms": 1, "model": "x"}, None),
        ([1], None),
        (None, None),
        ("{}", None),
    ],
)
def test_one_bad_point_refuses_all_and_is_named(point: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        tallied([{"timing_ms": 1}, {"timing_ms": 2}, point, {}], AT)
    assert refused.value.details["index"] == 2
    assert refused.value.details.get("field") == field
    assert "Point 2" in refused.value.message


@pytest.mark.parametrize("count", [0, MOST_POINTS + 1])
def test_a_report_is_neither_empty_nor_without_bound(count: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 10,000"):
        tallied([{"timing_ms": 1}] * count, AT)


def test_points_stand_where_they_were_measured() -> None:
    def at(text: str) -> dict[str, Any]:
        return {"timing_ms": 1, "at": text}

    found = tallied(
        [at("2026-03-02T12:36:00Z"), at("2026-03-02T13:30:10+01:00"), at("2026-03-02T09:00:00Z"),
         at("2026-03-02T08:59:59Z"), at("2026-03-01T12:40:00Z"), {"timing_ms": 1}],
        AT,
    )  # fmt: skip
    day = AT.replace(hour=0, minute=0, second=0)
    assert {window: tally.points for window, tally in found.items()} == {
        Window(Span.MINUTE, day.replace(hour=12, minute=34)): 2,  # a clock that is ahead measures now
        Window(Span.MINUTE, day.replace(hour=12, minute=30)): 1,
        Window(Span.MINUTE, day.replace(hour=9)): 1,
        Window(Span.HOUR, day.replace(hour=8)): 1,  # its minute would be merged at once
        Window(Span.HOUR, day.replace(hour=12) - timedelta(days=1)): 1,
    }


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("timeout_error", "timeout_error"),
        ("TimeoutError: no answer within 30 s", "timeout_error"),
        ("requests.exceptions.HTTPError: 500", "http_error"),
        ("ValueError", "value_error"),
        ("MODEL_ERROR: x", "model_error"),
        ("OOMKilled", "oom_killed"),
        ("  validation_error  : field a", "validation_error"),
        ("HTTP503: busy", "http503"),
        (None, "unspecified"),
        ("", "unspecified"),
        ("  ", "unspecified"),
        (": nothing", "unclassified"),
        ("the password hunter2 was wrong", "unclassified"),
        ("no such customer 4711: ada@example.org", "unclassified"),
        ("AKIA1234567890ABCDEF", "unclassified"),
        ("sk_live_51Habc9431", "unclassified"),
        ("x" * 51, "unclassified"),
        ("Ошибка: x", "unclassified"),
        ("a\nb: c", "unclassified"),
        ("timeout-error: x", "unclassified"),
        ("___", "unclassified"),
    ],
)
def test_of_an_error_its_type_is_kept(message: str | None, kept: str) -> None:
    assert error_type(message) == kept


@given(st.text())
def test_whatever_the_message_the_type_is_a_short_word(message: str) -> None:
    found = error_type(message)
    assert 1 <= len(found) <= 50
    assert found.isascii()
    assert all(character.islower() or character.isdigit() or character == "_" for character in found)


def test_a_version_has_so_many_types_and_others() -> None:
    known = admitted(frozenset(), [f"type_{number}" for number in range(60)])
    assert known == {f"type_{number}" for number in range(MOST_TYPES)}
    assert admitted(known, ["one_more"]) == known
    tally = tallied([{"timing_ms": 1, "success": False, "error": f"type_{n}"} for n in (1, 55, 59)], AT)
    (only,) = tally.values()
    only.restrict_errors(known)
    assert only.errors == {"type_1": 1, "other": 2}


def test_windows_begin_where_spans_do() -> None:
    assert window_start("all", AT) is None
    assert window_start("1h", AT) == AT.replace(hour=11, second=0)
    assert window_start("24h", AT) == AT.replace(day=1, minute=0, second=0)
    assert window_start("30d", AT) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(InvalidInput):
        window_start("2h", AT)
    for window, span in (("1h", Span.MINUTE), ("24h", Span.HOUR), ("7d", Span.HOUR), ("30d", Span.HOUR)):
        begins = window_start(window, AT)
        assert begins is not None
        assert begins == start_of(span, begins) >= oldest_kept(span, AT), "its spans are still kept apart"


def test_an_empty_tally_says_nothing() -> None:
    empty = Tally()
    assert (empty.success_rate, empty.mean_ms, empty.quantile(0.5), empty.last_at) == (None, None, None, None)
