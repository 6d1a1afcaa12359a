"""Behaviour 4: what is decided about is frozen; the request says whether it still is what was shown."""

from __future__ import annotations

import json

import pytest

from governance.errors import ApprovalInvalidated
from governance.operations import registry, settling
from governance.operations.reviewing import standing
from governance.signing import Envelope
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.approvals.deciding import insert_approval, settled, vote
from tests.governance.operations.situations import evidence_of, model_with_version, parked, query, stored

__all__ = ["shared_registry"]


def test_unchanged_until_something_changes(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    assert standing(r.unit(), request.id) == {"unchanged": True, "difference": [], "notCounted": []}
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "license": "MIT"}, None)
    shown = standing(r.unit(), request.id)
    assert shown["unchanged"] is False
    assert shown["difference"] == [{"path": "version.metadata.license", "before": "Apache-2.0", "after": "MIT"}]
    with pytest.raises(ApprovalInvalidated):
        vote(r, request, r.grace)
    settling.park(r.unit(), r.call(None), request.id, evidence_of(r, request))
    assert standing(r.unit(), request.id)["unchanged"] is True


def test_nothing_is_claimed_before_it_is_frozen_and_once_it_is_over(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = r.open(model_with_version(r), "1.0.0", "submit")
    assert standing(r.unit(), request.id)["unchanged"] is None
    r.settle(request)
    assert standing(r.unit(), request.id)["unchanged"] is None


def test_evidence_that_was_edited_in_the_database_is_not_unchanged(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    query(
        r,
        "update transition_requests set evidence = jsonb_set(evidence, '{measured,artifacts}', '[]') where id = %s",
        request.id,
    )
    assert standing(r.unit(), request.id)["unchanged"] is False


def test_decisions_that_are_not_counted_are_named(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    insert_approval(r, request, r.alan)
    assert standing(r.unit(), request.id)["notCounted"] == [
        "A decision of alan is not signed by this platform and is not counted."
    ]


def test_what_is_signed_is_the_digest_that_was_read(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    vote(r, request, r.grace)
    ((envelope,),) = query(r, "select envelope from approvals where request_id = %s", request.id)
    said = json.loads(Envelope.from_json(envelope).payload)
    assert said["evidenceDigest"] == stored(r, request).evidence_digest == request.evidence_digest
    assert settled(r, request).kind == "waiting"
