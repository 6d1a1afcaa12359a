"""What is signed: in-toto Statements (v1) about the artifacts, and about the bundle itself."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from governance.bundle.facts import Facts, SealedEntries
from governance.bundle.verify import BUNDLE_PREDICATE, DECISION_PREDICATE, MANIFEST, STATEMENT, SUMMARY_PREDICATE
from governance.canonical import canonical_bytes

VERIFIER = "urn:gatehouse:verifier"


def about_bundle(manifest: bytes) -> dict[str, Any]:
    """Everything in the bundle hangs on this one: the manifest names the digest of each member."""
    subject = [{"name": MANIFEST, "digest": {"sha256": sha256(manifest).hexdigest()}}]
    return _statement(subject, BUNDLE_PREDICATE, {"members": MANIFEST})


def about_decision(facts: Facts, log: SealedEntries) -> dict[str, Any]:
    request = facts.request
    predicate = {
        **{
            name: request[name]
            for name in (
                "modelId",
                "versionId",
                "modelName",
                "group",
                "version",
                "transition",
                "status",
                "requesterId",
                "requestedBy",
                "reason",
                "createdAt",
                "settledAt",
                "evidenceDigest",
                "outcome",
            )
        },
        "requestId": request["id"],
        "gates": [{name: one[name] for name in ("policy", "policyVersion", "outcome")} for one in facts.verdicts],
        "approvals": [
            {name: one[name] for name in ("approverId", "decision", "evidenceDigest", "at")} for one in facts.approvals
        ],
        "audit": {
            "size": log.size,
            "root": log.root.hex(),
            "entries": [{"seq": seq, "leaf": leaf.hex()} for seq, _, leaf, _ in log.entries],
        },
    }
    return _statement(_subjects(facts), DECISION_PREDICATE, predicate)


def summary(facts: Facts) -> dict[str, Any] | None:
    """A verification summary as SLSA defines it, once the gates have decided; None before, or after a withdrawal."""
    request = facts.request
    if request["status"] not in ("applied", "denied"):
        return None
    passed = request["status"] == "applied"
    policies = sha256(canonical_bytes(facts.subject["policies"])).hexdigest()
    predicate = {
        "verifier": {"id": VERIFIER},
        "timeVerified": request["settledAt"],
        "resourceUri": f"urn:gatehouse:model:{request['modelId']}:{request['version']}",
        "policy": {"uri": "policies.json", "digest": {"sha256": policies}},
        "inputAttestations": [
            {"uri": "evidence.json", "digest": {"sha256": str(request["evidenceDigest"]).removeprefix("sha256:")}}
        ],
        "verificationResult": "PASSED" if passed else "FAILED",
        # Levels of our own do not begin with SLSA_: what was verified is this transition, no build track.
        "verifiedLevels": [f"GATEHOUSE_{request['transition'].upper()}"] if passed else [],
    }
    return _statement(_subjects(facts), SUMMARY_PREDICATE, predicate)


def _subjects(facts: Facts) -> list[dict[str, Any]]:
    """The artifacts; a version without any is stood for by its evidence, since a statement is about something."""
    artifacts = [{"name": item["id"], "digest": {"sha256": item["sha256"]}} for item in facts.subject["artifacts"]]
    digest = sha256(canonical_bytes(facts.evidence)).hexdigest()
    return artifacts or [{"name": "evidence.json", "digest": {"sha256": digest}}]


def _statement(subject: list[dict[str, Any]], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    return {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": predicate}
