"""The frameworks that are shipped: whole, dated, with sources; and what a date changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from governance.compliance import FRAMEWORKS, Facts, Framework, assess, framework_named
from governance.compliance.controls import CONTROLS
from governance.compliance.facts import OpenFinding
from governance.compliance.summary import moment, summary, worst
from governance.errors import InvalidInput, NotFound

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
POLICIES = ("completeness", "evaluation", "no-worse-than-incumbent", "artifact-integrity", "safe-weight-format")

GOOD = Facts(
    model_id="m1",
    model_name="credit-risk",
    group="retail",
    risk_tier="High",
    owners=("ada@example.org",),
    version_id="v2",
    version="2.0.0",
    state="production",
    as_of=NOW,
    metadata={"modelCard": {"intendedUse": "a", "limitations": "b", "trainingData": "c"}},
    production_since=NOW - timedelta(days=3),
    decision_id="r1",
    decided_at=NOW - timedelta(days=4),
    evidence_digest="sha256:" + "a" * 64,
    verdicts=dict.fromkeys(POLICIES, "passed"),
    metrics={"taskMetrics": 2, "biasMetrics": 1, "robustnessMetrics": 1},
    approvers=({"name": "grace", "groups": ["risk"], "roles": ["approver", "validator"]},),
    review_due=NOW + timedelta(days=30),
    restorable=True,
)


def at(year: int, month: int, day: int, **changes: Any) -> Facts:
    reviewed = {"review_due": datetime(2030, 1, 1, tzinfo=UTC)}
    return replace(GOOD, as_of=datetime(year, month, day, 12, tzinfo=UTC), **{**reviewed, **changes})


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=lambda framework: framework.id)
def test_it_is_whole(framework: Framework) -> None:
    assert framework.title
    assert framework.publisher
    for edition in framework.editions:
        assert edition.source
        assert edition.source_kind == "primary" or "confirm" in edition.note.lower(), "hearsay has to say so"
        names = [requirement.id for requirement in edition.requirements]
        assert names
        assert len(set(names)) == len(names)
    for earlier, later in zip(framework.editions, framework.editions[1:], strict=False):
        assert earlier.effective_until == later.effective_from, "no gap and no overlap"
    assert framework.editions[-1].effective_until is None


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=lambda framework: framework.id)
def test_a_model_with_nothing_against_it_meets_it(framework: Framework) -> None:
    found = assess(framework, GOOD)
    assert (found.status, found.edition) == ("met", framework.editions[-1]), found.because


def test_every_control_is_used_and_can_fail() -> None:
    used = {
        control
        for framework in FRAMEWORKS.values()
        for edition in framework.editions
        for requirement in edition.requirements
        for control in requirement.controls
    }
    assert used == set(CONTROLS)
    bare = Facts("m1", "credit-risk", "retail", "High", (), "v2", "2.0.0", "production", NOW)
    bare = replace(bare, audit_months=3, findings=(OpenFinding("f1", "high", "It burns.", None),))
    for name, control in CONTROLS.items():
        assert control.judge(bare).status in ("not_met", "unknown"), name
        assert control.judge(GOOD).status == "met", name


def test_the_date_decides_the_edition_and_whether_it_binds() -> None:
    act = framework_named("eu-ai-act")
    found = {}
    for day in ((2026, 6, 1), (2026, 8, 3), (2026, 11, 20), (2027, 12, 1), (2027, 12, 2)):
        result = assess(act, at(*day, metrics={}))
        assert result.edition is not None
        found[day] = (result.edition.id, result.status, result.results[0].binds_from)
    assert found == {
        (2026, 6, 1): ("2024", "upcoming", date(2026, 8, 2)),
        (2026, 8, 3): ("2026", "upcoming", date(2027, 12, 2)),
        (2026, 11, 20): ("2026", "upcoming", date(2027, 12, 2)),
        (2027, 12, 1): ("2026", "upcoming", date(2027, 12, 2)),
        (2027, 12, 2): ("2026", "unknown", date(2027, 12, 2)),
    }
    assert assess(act, at(2024, 7, 31)).status == "not_applicable"
    embedded = at(2027, 12, 3, metadata={"compliance": {"euAiAct": "annex_i"}})
    assert assess(act, embedded).results[0].binds_from == date(2028, 8, 2)


def test_what_does_not_apply_says_because() -> None:
    act, sr = framework_named("eu-ai-act"), framework_named("sr-model-risk")
    low = assess(act, replace(GOOD, risk_tier="Low"))
    assert (low.status, low.because) == (
        "not_applicable",
        "It is not treated as a high-risk system: its risk tier is Low.",
    )
    declared = replace(GOOD, metadata={"compliance": {"euAiAct": "minimal"}})
    assert "owners declare" in assess(act, declared).because
    generative = replace(GOOD, metadata={**GOOD.metadata, "modelType": "LLM"})
    assert assess(sr, generative).status == "not_applicable"
    assert "out of scope" in assess(sr, generative).because
    before = assess(sr, replace(generative, as_of=datetime(2026, 4, 16, tzinfo=UTC)))
    assert before.edition is not None
    assert (before.edition.id, before.status) == ("SR 11-7", "met"), "the older letter knew no such exception"


@pytest.mark.parametrize(
    ("changes", "requirement", "status"),
    [
        ({"approvers": ()}, "Article 14", "not_met"),
        ({"audit_months": 5}, "Article 19", "not_met"),
        ({"verdicts": {**GOOD.verdicts, "evaluation": "unknown"}}, "Article 9", "not_met"),
        ({"review_due": NOW - timedelta(days=1)}, "Article 72", "not_met"),
        ({"findings": (OpenFinding("f", "low", "Late.", NOW - timedelta(days=1)),)}, "Article 17", "not_met"),
        ({"metrics": {}}, "Article 10", "unknown"),
        ({"state": "staging"}, "Article 72", "not_applicable"),
    ],
)
def test_each_gap_is_found_where_it_belongs(changes: dict[str, Any], requirement: str, status: str) -> None:
    found = assess(framework_named("eu-ai-act"), replace(GOOD, **changes))
    by_id = {result.requirement.id: result for result in found.results}
    assert by_id[requirement].status == status
    assert by_id[requirement].because


def test_the_fleet_is_counted() -> None:
    act = framework_named("eu-ai-act")
    fleet = [GOOD, replace(GOOD, risk_tier="Low"), replace(GOOD, approvers=())]
    found = summary(act, fleet, date(2026, 11, 20), complete=True)
    assert found["versions"] == {"met": 1, "not_applicable": 1, "upcoming": 1, "not_met": 0, "unknown": 0}
    assert found["edition"] == "2026"
    assert summary(act, [], date(2020, 1, 1), complete=True)["edition"] is None
    assert worst(["met", "unknown", "not_applicable"]) == "unknown"


def test_dates_that_are_meant() -> None:
    assert moment(None, NOW) == NOW
    assert moment("2026-11-20", NOW).isoformat() == "2026-11-20T23:59:59.999999+00:00"
    assert moment("2026-11-20T12:00:00+02:00", NOW).hour == 10
    for wrong in ("2026-13-01", "yesterday", "2026-11-20T12:00:00", ""):
        with pytest.raises(InvalidInput, match="asOf"):
            moment(wrong, NOW)
    with pytest.raises(NotFound):
        framework_named("hipaa")
