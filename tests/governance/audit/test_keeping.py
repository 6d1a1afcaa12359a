"""What the log says about retention and holds, on logs in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from governance.audit.chain import Head
from governance.audit.entry import Entry, draft
from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.filters import EntryFilter
from governance.audit.holds import PLACED, RELEASED, Hold
from governance.audit.keeping import APPLIED, Keeping, months_before
from governance.audit.provenance import Edge, Node, changes, lineage
from governance.audit.report import Kind, Report
from governance.audit.sentences import Names, sentence
from governance.audit.verification import verify
from governance.errors import InvalidInput
from tests.governance.audit.histories import AUDIT_KEY, VERIFIER, event, head_of

AT = datetime(2026, 7, 1, tzinfo=UTC)


def told(action: str, identifier: str = "h1", **fields: Any) -> AuditEvent:
    return AuditEvent(f"e-{action}", AT, Actor("system", "g", "G"), action, Subject("x", identifier), **fields)


def removal(*ranges: tuple[int, int], entries: int | None = None, before: str = "2026-01-01T00:00:00Z") -> AuditEvent:
    count = sum(last - first + 1 for first, last in ranges) if entries is None else entries
    details = {
        "ranges": [list(one) for one in ranges],
        "entries": count,
        "before": before,
        "archive": {"name": "a.ndjson", "sha256": "0" * 64},
    }
    return told(APPLIED, details=details)


def log(*more: AuditEvent, gone: tuple[int, ...] = ()) -> tuple[list[Entry], Head]:
    """Ten entries, then `more`; the texts of `gone` are not there."""
    head, rows = Head.empty(), []
    for each in (*(event(number) for number in range(10)), *more):
        row = draft(each, AUDIT_KEY)
        seq = head.size
        head, (value,) = head.extended([row.leaf])
        rows.append(Entry(seq, "" if seq in gone else row.entry, row.leaf, row.mac, value))
    assert head == head_of(rows)
    return rows, head


def kinds(rows: list[Entry], head: Head, keeping: Keeping | None) -> set[Kind]:
    report: Report = verify(rows, [], public_key=VERIFIER, mac_key=AUDIT_KEY, head=head, keeping=keeping)
    return {finding.kind for finding in report.findings} - {Kind.UNSEALED}


def test_texts_may_be_absent_where_the_log_says_so() -> None:
    rows, head = log(removal((2, 4), (6, 6)), gone=(2, 3, 4, 6))
    keeping = Keeping()
    assert kinds(rows, head, keeping) == set()
    assert keeping.removed == 4


@pytest.mark.parametrize("gone", [(1,), (5,), (7,), (9,), (1, 2, 3), (2, 3, 4, 5, 6), (0,)])
def test_one_more_is_found(gone: tuple[int, ...]) -> None:
    rows, head = log(removal((2, 4), (6, 6)), gone=gone)
    assert kinds(rows, head, Keeping()) == {Kind.REMOVED}


def test_without_anybody_who_knows_about_retention_an_absent_text_is_an_edited_one() -> None:
    rows, head = log(removal((2, 2)), gone=(2,))
    assert kinds(rows, head, None) == {Kind.EDITED}


@pytest.mark.parametrize(
    "claim",
    [
        removal((2, 4), entries=2),
        removal((4, 2), entries=1),
        removal((2, 99)),
        removal((2, 4), before="2026-06-01T00:00:00Z"),
        told(APPLIED, details={"ranges": "all"}),
        told(APPLIED, details={}),
    ],
)
def test_claims_that_cannot_be_are_found(claim: AuditEvent) -> None:
    rows, head = log(claim)
    assert kinds(rows, head, Keeping()) == {Kind.REMOVED}


def test_a_claim_covers_nothing_that_came_after_it() -> None:
    rows, head = log(removal((2, 4)), event(50), gone=(11,))
    assert kinds(rows, head, Keeping()) == {Kind.REMOVED}


def hold(**more: Any) -> AuditEvent:
    return told(PLACED, after={**Hold("h1", "log", "A court asked.").to_json(), **more})


@pytest.mark.parametrize(
    ("events", "held"),
    [
        ([hold(), removal((2, 4))], True),
        ([hold(), told(RELEASED), removal((2, 4))], False),
        ([removal((2, 4)), hold()], False),
        ([hold(until="2026-06-30T00:00:00Z"), removal((2, 4))], False),
        ([hold(until="2026-07-02T00:00:00Z"), removal((2, 4))], True),
        ([hold(), removal((2, 4)), told(RELEASED)], True),
    ],
)
def test_a_hold_counts_from_its_entry_to_its_end(events: list[AuditEvent], held: bool) -> None:
    rows, head = log(*events, gone=(2, 3, 4))
    assert kinds(rows, head, Keeping()) == ({Kind.HELD} if held else set())


@pytest.mark.parametrize(
    ("months", "expected"),
    [(0, "2026-07"), (6, "2026-01"), (7, "2025-12"), (18, "2025-01"), (19, "2024-12"), (-6, "2027-01")],
)
def test_months(months: int, expected: str) -> None:
    assert f"{months_before(AT.replace(day=31, hour=5), months):%Y-%m-%dT%H}" == f"{expected}-01T00"


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "all"},
        {"scope": "log", "model_id": "m"},
        {"scope": "model"},
        {"scope": "subject", "subject_kind": "user"},
        {"scope": "log", "reason": ""},
    ],
)
def test_holds_that_mean_nothing_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Hold(**{"id": "h", "reason": "x", **asked})


def test_a_filter_is_read_back_as_it_was_told() -> None:
    asked = {"actor": "ann", "action": ["a:", "b:"], "from": "2026-01-01", "to": "2026-02-01T00:00:00Z", "text": "x"}
    found = EntryFilter.read(asked)
    assert EntryFilter.read(found.to_json()) == found
    assert EntryFilter.read({"actor": None}) == EntryFilter()
    assert EntryFilter().to_json() == {}


def test_every_event_has_a_sentence_whatever_it_looks_like() -> None:
    plain = json.loads(event(1).canonical())
    assert sentence(plain).endswith(".")
    for action in ("version:state:changed", "traffic:changed", "request:opened", "something:new", "policy:published"):
        assert sentence({**plain, "action": action, "before": None, "after": None, "details": {}}).endswith(".")
    moved = {**plain, "action": "version:state:changed", "before": {"state": "a"}, "after": {"state": "b"}}
    assert sentence(moved, Names("face", "1.0.0")).endswith("moved face 1.0.0 from a to b.")
    long = {**plain, "actor": {"name": "x" * 500}}
    assert len(sentence(long)) < 400


def test_changes_are_told_by_name() -> None:
    assert changes(None, None) == {}
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == {"b": {"before": 2, "after": 3}}
    assert changes(None, {"a": 1}) == {"a": {"before": None, "after": 1}}
    assert changes("x", "y") == {"value": {"before": "x", "after": "y"}}


def test_a_lineage_with_a_cycle_ends() -> None:
    nodes = [Node(name, "t", name) for name in "abc"]
    edges = [Edge("a", "b", "r"), Edge("b", "c", "r"), Edge("c", "a", "r"), Edge("b", "gone", "r")]
    graph = lineage(nodes[1], None, nodes, edges, ["c", "x"])["lineage"]
    assert sorted(graph["impact"]["upstream"]) == ["a", "c"]
    assert graph["impact"]["critical"] == ["c"]
    assert len(graph["graph"]["edges"]) == 3
