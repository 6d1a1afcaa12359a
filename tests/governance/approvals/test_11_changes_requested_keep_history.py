"""Behaviour 11: what was sent back is kept, and the next request shows what changed since."""

from __future__ import annotations

import pytest

from flows.transitions import story
from governance.operations import registry, reviewing
from governance.requests import RequestStatus
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.approvals.deciding import frozen, settled, vote
from tests.governance.operations.situations import evidence_of, model_with_version, parked, query, step, stored

__all__ = ["shared_registry"]


def test_the_difference_since_changes_were_requested(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    for transition in ("submit", "evaluate"):
        step(r, model, "1.0.0", transition)
    first = r.open(model, "1.0.0", "approve_staging")
    r.approve(first)
    vote(r, first, r.grace, "request_changes", comment="Name the licence.")
    done = settled(r, first)
    assert done.outcome["name"] == "ChangesRequested"
    with r.unit() as uow:
        follow_up = uow.requests.get(done.outcome["followUp"])
    r.settle(follow_up)
    registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", {**METADATA, "license": "MIT"}, None)
    step(r, model, "1.0.0", "submit")
    second = r.open(model, "1.0.0", "approve_staging")
    evidence = evidence_of(r, second)
    r.approve(second, evidence=evidence)

    with r.unit() as uow:
        since = reviewing.delta(uow, stored(r, second), evidence.to_json())
    assert since == {
        "requestId": first.id,
        "at": "2026-03-02T12:00:00.000000Z",
        "by": "grace",
        "comment": "Name the licence.",
        "difference": [{"path": "subject.version.metadata.license", "before": "Apache-2.0", "after": "MIT"}],
    }
    page = story.decision_page(stored(r, second), evidence, [], None, None, "http://127.0.0.1:8000", since)
    assert "## Since the last review" in page
    assert "grace sent it back on 2026-03-02 12:00 UTC: Name the licence." in page
    assert "| subject.version.metadata.license | Apache-2.0 | MIT |" in page

    # what was sent back stays as it was: its evidence, its decision, its outcome
    kept = stored(r, first)
    assert (kept.status, kept.evidence_digest) == (RequestStatus.DENIED, frozen(r, first).digest)
    assert query(r, "select decision, comment from approvals where request_id = %s", first.id) == [
        ("request_changes", "Name the licence.")
    ]


def test_the_newest_review_counts_and_only_of_the_same_transition(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    with r.unit() as uow:
        assert reviewing.delta(uow, request, request.evidence or {}) is None, "approvals are no reason to look back"
    reviewed = []
    for comment in ("First.", "Second."):
        vote(r, request, r.alan, "reject", comment=comment)
        assert settled(r, request).status is RequestStatus.DENIED
        reviewed.append(request.id)
        request = r.open(request.model_id, "1.0.0", "approve_production")
        r.approve(request)
    with r.unit() as uow:
        since = reviewing.delta(uow, request, frozen(r, request).to_json())
    assert since is not None
    assert (since["requestId"], since["comment"], since["difference"]) == (reviewed[1], "Second.", [])


@pytest.mark.parametrize("ending", ["withdrawn", "gates"])
def test_what_no_person_sent_back_is_no_review(shared_registry: RegistryUnderTest, ending: str) -> None:
    from governance.operations.transitions import withdraw

    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace)
    if ending == "withdrawn":
        withdraw(r.unit(), r.call(r.dev), request.id, "")
    else:
        evidence = evidence_of(r, request)
        broken = type(evidence)(evidence.subject, {**evidence.measured, "artifacts": []})
        assert r.settle(request, broken).status is RequestStatus.DENIED
    again = r.open(request.model_id, "1.0.0", "approve_production")
    r.approve(again)
    with r.unit() as uow:
        assert reviewing.delta(uow, again, frozen(r, again).to_json()) is None
