"""What a request shows to those who decide: whether it is as it was asked, and what changed since the last review."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.canonical import difference, digest_of, rendered
from governance.ports import UnitOfWork
from governance.requests import TransitionRequest
from governance.reviewing import since_last_review


def standing(uow: UnitOfWork, request_id: str) -> dict[str, Any]:
    """{"unchanged": bool | None, "difference": [...], "notCounted": [sentences]}.

    unchanged: are the facts what was frozen and shown? None while there is nothing frozen, and once it has its outcome.
    notCounted: why decisions about the frozen evidence are not counted.
    """
    with uow:
        request = uow.requests.get(request_id)
        if not request.undecided or request.evidence is None:
            return {"unchanged": None, "difference": [], "notCounted": []}
        changes = difference(request.evidence["subject"], uow.facts.subject(request, request.transition))
        genuine = digest_of(request.evidence) == request.evidence_digest
        decisions = uow.approvals.of_request(request.id)
    voids = [one.void for one in decisions if one.void and one.evidence_digest == request.evidence_digest]
    return {"unchanged": genuine and not changes, "difference": changes, "notCounted": list(dict.fromkeys(voids))}


def last_review(uow: UnitOfWork, request: TransitionRequest) -> dict[str, Any] | None:
    """{"requestId", "at", "by", "comment", "evidence"} of the last request for the same that was sent back."""
    last = uow.requests.last_reviewed(request.version_id, request.transition, request.id)
    if last is None:
        return None
    said = [
        one
        for one in uow.approvals.of_request(last.id)
        if one.decision != "approve" and one.evidence_digest == last.evidence_digest
    ]
    newest = max(said, key=lambda one: (one.at, one.id))
    return {
        "requestId": last.id,
        "at": rendered(newest.at),
        "by": newest.who,
        "comment": newest.comment,
        "evidence": last.evidence,
    }


def delta(uow: UnitOfWork, request: TransitionRequest, evidence: Mapping[str, Any]) -> dict[str, Any] | None:
    """See `governance.reviewing.since_last_review`. Within a transaction of the caller's."""
    return since_last_review(last_review(uow, request), evidence)


def before(uow: UnitOfWork, request: TransitionRequest) -> dict[str, Any] | None:
    """What the version replaces: what is in production, else what was last reviewed. Within a transaction."""
    assert request.evidence is not None  # noqa: S101  (asked about frozen evidence only)
    subject = request.evidence["subject"]
    if (incumbent := subject.get("incumbent")) is not None:
        version = uow.versions.by_id(incumbent["versionId"])
        artifacts = uow.artifacts.of_version(version.id)
        return {
            "commitSha": version.commit_sha,
            "metadata": dict(version.metadata),
            "artifacts": [
                {"name": a.name, "type": a.type.value, "sha256": a.sha256, "size": a.size} for a in artifacts
            ],
        }
    last = last_review(uow, request)
    return last["evidence"]["subject"] if last else None
