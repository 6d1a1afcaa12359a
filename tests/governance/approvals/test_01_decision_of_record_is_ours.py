"""Behaviour 1: what counts is a signed row of ours. Rows written by hand, and words of the orchestrator, do not."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.requests import RequestStatus
from governance.signed_decisions import decision_statement
from governance.signing import DECISION, Envelope, InvalidEnvelope, opened, sealed
from storage.signers import FileSigner
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.deciding import approvals_gate, insert_approval, settled, vote
from tests.governance.operations.situations import parked, query

__all__ = ["shared_registry"]
NOT_SIGNED = "A decision of grace is not signed by this platform and is not counted."


def test_a_decision_is_stored_with_its_signed_statement(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace, comment="I read it.")
    ((envelope, identifier),) = query(r, "select envelope, id::text from approvals where request_id = %s", request.id)
    said = json.loads(opened(Envelope.from_json(envelope), DECISION, r.platform.believed_keys))
    assert said == {
        "approvalId": identifier,
        "requestId": request.id,
        "approverId": r.grace.id,
        "approverName": "grace",
        "decision": "approve",
        "comment": "I read it.",
        "evidenceDigest": request.evidence_digest,
        "at": "2026-03-02T12:00:00.000000Z",
        "onBehalfOf": None,
    }
    with pytest.raises(InvalidEnvelope):
        opened(Envelope.from_json(envelope), DECISION, {})


def test_a_row_that_was_inserted_by_hand_counts_for_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    insert_approval(r, request, r.grace)
    assert settled(r, request).kind == "waiting"
    assert NOT_SIGNED in approvals_gate(r, request)
    vote(r, request, r.grace)  # deciding oneself puts it right
    assert settled(r, request).status is RequestStatus.APPLIED


def test_the_envelope_of_another_decision_lends_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    other, request = parked(r), parked(r)
    vote(r, other, r.grace)
    ((envelope,),) = query(r, "select envelope from approvals where request_id = %s", other.id)
    insert_approval(r, request, r.grace, json.dumps(envelope))
    assert settled(r, request).kind == "waiting"
    assert NOT_SIGNED in approvals_gate(r, request)


def test_a_statement_signed_by_an_unknown_key_counts_for_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    identifier = insert_approval(r, request, r.grace)
    with r.unit() as uow:
        (row,) = uow.approvals.of_request(request.id)
    assert row.id == identifier
    forged = sealed(FileSigner(Ed25519PrivateKey.generate()), DECISION, decision_statement(row)).to_json()
    query(r, "update approvals set envelope = %s where id = %s", json.dumps(forged), identifier)
    assert settled(r, request).kind == "waiting"
    assert NOT_SIGNED in approvals_gate(r, request)


@pytest.mark.parametrize(
    "change",
    [
        "decision = 'approve'",
        "decision = 'approve', comment = ''",
        "comment = 'Something else.'",
        "created_at = created_at + interval '1 second'",
        "id = '00000000-0000-7000-8000-000000000000'",
        "envelope = null",
        "envelope = '[]'",
        "envelope = jsonb_set(envelope, '{payloadType}', '\"text/plain\"')",
        "envelope = jsonb_set(envelope, '{signatures}', '[]')",
    ],
)
def test_a_row_that_was_changed_by_hand_counts_for_nothing(shared_registry: RegistryUnderTest, change: str) -> None:
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    vote(r, request, r.grace, "reject", comment="No.")
    vote(r, request, r.alan)
    query(r, f"update approvals set {change} where request_id = %s and approver_id = %s", request.id, r.grace.id)
    assert settled(r, request).kind == "waiting", "neither the approval that was made of it, nor the refusal"
    assert NOT_SIGNED in approvals_gate(r, request)


def test_a_vote_moved_to_another_person_counts_for_nobody(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace, "reject", comment="No.")
    query(r, "update approvals set approver_id = %s, decision = 'approve' where request_id = %s", r.alan.id, request.id)
    assert settled(r, request).kind == "waiting"
    assert "A decision of alan is not signed" in approvals_gate(r, request)
