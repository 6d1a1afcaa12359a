"""Periodic review: what was approved for production is looked at again, by somebody who had no part in it.

A review that is overdue opens a finding (medium, owned by whoever asked for the approval). Left open for the grace of
the policy, the finding becomes high and blocks promotions of every version of the model. Nothing takes a version out of
production by itself: deprecating is a decision of people, and a machine that switches models off at night because
nobody filled in a form is a greater risk than the one it guards against. An overdue approval that was not carried
out yet is not carried out (policy `periodic-review`). The review ends with the version's time in production.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from governance import events
from governance.canonical import rendered
from governance.duties import conflicts, in_words
from governance.errors import Conflict, ConflictOfInterest, InvalidInput
from governance.evidence import Evidence
from governance.findings import REVIEW_OVERDUE, TO_PRODUCTION
from governance.models import ModelVersion, checked_text
from governance.operations.calls import Call
from governance.operations.findings import closed, opened
from governance.policies.base import in_force
from governance.policies.periodic_review import ApprovalReviewed
from governance.ports import UnitOfWork

SHORTEST_COMMENT = 10  # characters


def plan_review(uow: UnitOfWork, call: Call, version: ModelVersion, request_id: str, evidence: Evidence) -> datetime:
    """With the approval for production: by when it is to be reviewed."""
    policy = in_force(uow.policies.active(), ApprovalReviewed)
    due_at = policy.next_due(call.at, str(evidence.subject["model"]["riskTier"]))
    earlier = uow.reviews.open_of(version.id)
    if earlier is not None and earlier.finding_id is not None:
        _close_finding(uow, call, earlier.finding_id, "The version was approved for production anew.")
    uow.reviews.plan(call.new_id(), version, request_id, due_at, call.at)
    return due_at


def record_review(uow: UnitOfWork, call: Call, model_id: str, version: str, comment: str) -> str:
    """An approver looked again and stands by the approval; the id of the next review.

    Who does not stand by it asks for changes, rolls back or deprecates. Raises NotFound, Forbidden,
    ConflictOfInterest, Conflict (no review is planned), InvalidInput.
    """
    doing = "Reviewing an approval"
    person = call.may("approval:decide", doing)
    comment = checked_text("comment", comment, limit=2_000).strip()
    if len(comment) < SHORTEST_COMMENT:
        raise InvalidInput(
            f"A review says in at least {SHORTEST_COMMENT} characters what was looked at.",
            details={"field": "comment"},
        )
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_model(model_id)
        call.may_with("model", model_id, rule, "approval:decide", doing)
        if known:
            return known
        found = uow.versions.get(model_id, version)
        found = uow.versions.lock(found.id)[found.id]
        review = uow.reviews.open_of(found.id)
        if review is None:
            raise Conflict("No review of this version is planned: it is not approved for production.")
        took_part = conflicts(uow.facts.involved(uow.requests.get(review.request_id)), person.answers_as)
        if took_part:
            raise ConflictOfInterest(
                f"{person.name} {in_words(took_part)}, and nobody reviews what they took part in.",
                details={"reasons": [{"relation": one.relation, "fact": one.what} for one in took_part]},
            )
        policy = in_force(uow.policies.active(), ApprovalReviewed)
        next_due = policy.next_due(call.at, uow.models.get(model_id).risk_tier)
        next_id = call.new_id()
        uow.reviews.complete(review.id, person.id, comment, call.at)
        uow.reviews.plan(next_id, found, review.request_id, next_due, call.at)
        if review.finding_id is not None:
            _close_finding(uow, call, review.finding_id, f"{person.name} reviewed the approval: {comment}")
        call.remember(uow, next_id)
        uow.audit(
            call.event(
                "review:completed",
                "review",
                review.id,
                before={"dueAt": rendered(review.due_at)},
                after={"comment": comment, "nextDueAt": rendered(next_due), "nextReviewId": next_id},
                versionId=found.id,
                approvedBy=review.request_id,
            )
        )
        told = {"versionId": found.id, "nextDueAt": rendered(next_due), "reviewerId": person.id}
        call.tell(uow, events.REVIEW_COMPLETED, ("review", review.id), model_id, **told)
        uow.commit()
    return next_id


def tend_review(uow: UnitOfWork, call: Call, review_id: str) -> str | None:
    """What was done about one review that is due: "overdue", "escalated" or "lapsed"; each happens once."""
    with uow:
        found = uow.reviews.lock(review_id)
        if found is None or found[0].due_at > call.at:
            return None
        review, stands = found
        policy = in_force(uow.policies.active(), ApprovalReviewed)
        done: str | None = None
        if not stands:
            done = "lapsed"
            uow.reviews.lapse(review.id)
            if review.finding_id is not None:
                _close_finding(uow, call, review.finding_id, "The version is no longer approved for production.")
        elif review.finding_id is None:
            done = "overdue"
            version = uow.versions.by_id(review.version_id)
            approval = uow.requests.get(review.request_id)
            finding = opened(
                uow,
                call,
                version,
                kind=REVIEW_OVERDUE,
                severity="medium",
                title=f"The approval of version {version.version} for production had to be reviewed by "
                f"{review.due_at:%Y-%m-%d}.",
                request_id=review.request_id,
                owner_id=approval.requester_id,
                due_at=review.due_at + timedelta(days=policy.grace_days),
            )
            uow.reviews.overdue(review.id, finding)
            told = {"versionId": version.id, "findingId": finding, "dueAt": rendered(review.due_at)}
            call.tell(uow, events.REVIEW_OVERDUE, ("review", review.id), review.model_id, **told)
        elif not review.escalated and call.at >= review.due_at + timedelta(days=policy.grace_days):
            done = "escalated"
            finding_before = uow.findings.lock(review.finding_id)
            if finding_before.status == "open":  # closed by hand, e.g. accepted: that stands until the next review
                after = replace(finding_before, severity="high", blocks=TO_PRODUCTION, model_wide=True)
                uow.findings.change(after)
                uow.audit(
                    call.event(
                        "finding:changed",
                        "finding",
                        after.id,
                        before=finding_before.to_json(),
                        after=after.to_json(),
                        why="the review is still missing",
                    )
                )
                call.tell(uow, events.FINDING_CHANGED, ("finding", after.id), review.model_id, **after.to_json())
            uow.reviews.escalated(review.id, call.at)
        if done is not None:
            uow.commit()
    return done


def _close_finding(uow: UnitOfWork, call: Call, finding_id: str, why: str) -> None:
    finding = uow.findings.lock(finding_id)
    if finding.status == "open":
        closed(uow, call, finding, "fixed", why)
