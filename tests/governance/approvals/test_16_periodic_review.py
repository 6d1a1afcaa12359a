"""16. What was approved for production is reviewed, sooner where more is at stake; a missed review has consequences."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from governance.errors import Conflict, ConflictOfInterest, Forbidden, InvalidInput
from governance.gates import evaluate_all
from governance.operations.findings import close_finding
from governance.operations.periodic_reviews import record_review
from governance.operations.settling import case_of
from governance.operations.tending import Tended
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.clock import approved_by, pass_time, told
from tests.governance.operations.situations import (
    at_once,
    bring,
    events,
    evidence_of,
    in_production,
    model_with_version,
    parked,
    query,
    step,
)

REASON = "It is no longer needed by anybody."
LOOKED = "Drift, fairness and complaints of the last quarter."


def review(r: RegistryUnderTest, model: str) -> tuple[str, datetime]:
    ((identifier, due),) = query(
        r, "select id::text, due_at from reviews where model_id = %s and status = 'open'", model
    )
    return identifier, due


def finding(r: RegistryUnderTest, model: str) -> dict[str, object]:
    ((found,),) = query(r, "select to_jsonb(f) from findings f where model_id = %s and kind = 'review_overdue'", model)
    return dict(found)


@pytest.mark.parametrize(("tier", "days"), [("Low", 365), ("Medium", 180), ("High", 90)])
def test_by_risk_tier(registry_under_test: RegistryUnderTest, tier: str, days: int) -> None:
    r = registry_under_test
    request = parked(r, risk_tier=tier)
    approved_by(r, request, r.grace, r.alan, r.edsger)
    settled = r.settle(request)
    assert settled.status is RequestStatus.APPLIED
    _, due = review(r, request.model_id)
    assert due == r.at + timedelta(days=days)
    assert datetime.fromisoformat(settled.outcome["reviewDue"]) == due


def test_overdue_opens_one_finding_and_later_it_blocks(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    identifier, due = review(r, model)
    r.at = due - timedelta(seconds=1)
    assert pass_time(r) == Tended()
    r.at = due
    done = at_once([lambda: pass_time(r)] * 3)
    assert done.count(Tended()) == 2
    assert done.count(Tended(overdue=(identifier,))) == 1
    found = finding(r, model)
    assert (found["severity"], found["owner_id"], found["blocks"]) == ("medium", r.dev.id, [])
    assert datetime.fromisoformat(str(found["due_at"])) == due + timedelta(days=30)
    assert told(r, identifier) == ["io.gatehouse.review.overdue"]

    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "deploy_staging")
    r.at = due + timedelta(days=30)
    assert pass_time(r).review_escalated == (identifier,)
    assert pass_time(r) == Tended()
    assert (finding(r, model)["severity"], finding(r, model)["model_wide"]) == ("high", True)
    assert r.state(model, "1.0.0") == "production", "people take versions out of production, not the clock"
    refused = r.settle(r.open(model, "2.0.0", "approve_production"))
    assert refused.status is RequestStatus.DENIED
    assert any("had to be reviewed" in reason for reason in refused.outcome["reasons"])

    record_review(r.unit(), r.call(r.grace), model, "1.0.0", LOOKED)
    assert finding(r, model)["status"] == "closed"
    step(r, model, "2.0.0", "approve_production")


def test_a_review_sets_the_next_date(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    first, _ = review(r, model)
    r.later(days=100)
    record_review(r.unit(), r.call(r.grace), model, "1.0.0", LOOKED)
    second, due = review(r, model)
    assert second != first
    assert due == r.at + timedelta(days=365)
    ((status, by, comment),) = query(r, "select status, completed_by::text, comment from reviews where id = %s", first)
    assert (status, by, comment) == ("completed", r.grace.id, LOOKED)
    assert [event.action for event in events(r, first)] == ["review:completed"]


def test_who_may_review(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    with pytest.raises(Forbidden):
        record_review(r.unit(), r.call(r.dev), model, "1.0.0", LOOKED)
    r.change(r.dev.id, roles=["approver"])
    with pytest.raises(ConflictOfInterest, match="reviews what they took part in"):
        record_review(r.unit(), r.call(r.principal(r.dev.id)), model, "1.0.0", LOOKED)
    with pytest.raises(InvalidInput):
        record_review(r.unit(), r.call(r.grace), model, "1.0.0", "  Fine.  ")
    r.version(model, "2.0.0", weights=b"second")
    with pytest.raises(Conflict, match="No review"):
        record_review(r.unit(), r.call(r.grace), model, "2.0.0", LOOKED)


def test_an_overdue_approval_is_not_carried_out(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    r.later(days=365)
    request = r.open(model, "1.0.0", "promote_production")
    assert "approval had to be reviewed" in str(judged(r, request))
    record_review(r.unit(), r.call(r.grace), model, "1.0.0", LOOKED)
    assert "approval had to be reviewed" not in str(judged(r, request))


def judged(r: RegistryUnderTest, request: TransitionRequest) -> list[str]:
    """What blocks it now. (After a year the evaluation is too old as well.)"""
    with r.unit() as uow:
        results = evaluate_all(uow.policies.active(), case_of(uow, r.call(None), request, evidence_of(r, request)))
    return [reason for one in results if one.verdict.outcome != "passed" for reason in one.verdict.reasons]


def test_what_leaves_production_needs_no_review(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    identifier, due = review(r, model)
    r.at = due
    pass_time(r)
    step(r, model, "1.0.0", "deprecate", REASON)
    assert pass_time(r) == Tended(review_lapsed=(identifier,))
    assert finding(r, model)["status"] == "closed"
    assert pass_time(r) == Tended()


def test_a_finding_that_was_accepted_stays_closed(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    model = in_production(r, "1.0.0")
    identifier, due = review(r, model)
    r.at = due
    pass_time(r)
    found = str(finding(r, model)["id"])
    close_finding(r.unit(), r.call(r.alan), found, kind="accepted", resolution="The model is switched off in May.")
    r.later(days=30)
    assert pass_time(r).review_escalated == (identifier,)
    assert finding(r, model)["status"] == "closed"
    assert finding(r, model)["severity"] == "medium"
