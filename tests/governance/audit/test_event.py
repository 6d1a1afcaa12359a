"""An event's bytes are the same for ever, hold everything, and refuse what cannot be held."""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.event import DEEPEST, Actor, AuditEvent, Subject
from governance.errors import InvalidInput
from tests.governance.audit.histories import event

GOLDEN = (
    '{"action":"version:state:changed","actor":{"id":"u-1","kind":"user","name":"Ännchen \\"Q\\""},'
    '"after":{"state":"submitted","weight":0.1},"at":"2026-11-20T09:30:00.000120Z","before":{"state":"draft"},'
    '"details":{"b":[1,true,null],"é":"\\u0000"},"digest":null,"format":1,"id":"e-1","requestId":"r-1",'
    '"subject":{"id":"v-1","kind":"version"}}'
)


def sample() -> AuditEvent:
    return AuditEvent(
        id="e-1",
        at=datetime(2026, 11, 20, 10, 30, 0, 120, tzinfo=timezone(timedelta(hours=1))),
        actor=Actor("user", "u-1", 'Ännchen "Q"'),
        action="version:state:changed",
        subject=Subject("version", "v-1"),
        request_id="r-1",
        before={"state": "draft"},
        after={"weight": 0.1, "state": "submitted"},
        details={"é": "\0", "b": [1, True, None]},
    )


def test_entry_is_canonical_json_that_never_changes() -> None:
    assert sample().canonical() == GOLDEN


def test_entry_does_not_depend_on_how_values_were_built() -> None:
    other = event(1, details=OrderedDict([("b", (1, 2)), ("a", {"x": Decimal("2.50")})]))
    same = event(1, details={"a": {"x": 2.5}, "b": [1, 2]})
    assert other.canonical() == same.canonical()


def test_event_comes_back_from_its_entry() -> None:
    recorded = sample()
    read = AuditEvent.from_entry(recorded.canonical())
    assert read == recorded
    assert read.canonical() == recorded.canonical()


@pytest.mark.parametrize("value", [Decimal("0.1"), Decimal("1e3"), Decimal("-7"), Decimal("123456.789")])
def test_decimal_is_the_number_with_the_same_digits(value: Decimal) -> None:
    entry = event(1, after={"amount": value}).canonical()
    assert json.loads(entry, parse_float=Decimal, parse_int=Decimal)["after"]["amount"] == value


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.1234567890123456789"),
        Decimal("NaN"),
        Decimal("Infinity"),
        float("nan"),
        float("inf"),
        2**53 + 1,
        b"bytes",
        {1: "number as a name"},
        {"set": {1, 2}},
        datetime(2026, 1, 1, tzinfo=UTC),
        "lone surrogate \ud800",
        pytest.param(object(), id="an object"),
    ],
    ids=repr,
)
def test_what_json_cannot_hold_exactly_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        event(1, details={"value": value}).canonical()


def test_nesting_is_limited_by_a_refusal_not_by_the_stack() -> None:
    nested: Any = "leaf"
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InvalidInput, match=str(DEEPEST)):
        event(1, details={"value": nested}).canonical()


@pytest.mark.parametrize(
    "changes",
    [
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 (a naive time is what must be refused)
        {"id": ""},
        {"actor": Actor("user", "", "nobody")},
        {"actor": Actor("robot", "r", "R")},  # type: ignore[arg-type]
        {"subject": Subject("", "v")},
        {"subject": Subject("version", "")},
        {"action": ""},
        {"action": "changed"},
        {"action": "Version:Changed"},
        {"action": "version:"},
        {"action": "version:changed\n"},
    ],
    ids=repr,
)
def test_events_that_say_too_little_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        event(1, **changes)


def test_entries_of_an_unknown_format_are_refused() -> None:
    with pytest.raises(InvalidInput, match="format 2"):
        AuditEvent.from_entry(GOLDEN.replace('"format":1', '"format":2'))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(before=_JSON, after=_JSON)
def test_any_json_value_is_recorded_as_it_is(before: Any, after: Any) -> None:
    entry = event(1, before=before, after=after).canonical()
    read = AuditEvent.from_entry(entry)
    assert read.before == before
    assert read.after == after
    assert read.canonical() == entry
    assert "\0" not in entry  # PostgreSQL's text cannot hold it
