"""A bundle of a request that a real registry settled, with its audit entries sealed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from governance.bundle.verify import Check, Verification
from governance.canonical import rendered
from governance.signing import DECISION, sealed
from storage.audit_log.running import public_keys, sequencer_of
from storage.bundles import export
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import bring, model_with_version, query


@dataclass(frozen=True)
class Exported:
    registry: RegistryUnderTest
    model: str
    request_id: str
    name: str
    archive: bytes

    @property
    def key(self) -> str:
        return str(public_keys(self.registry.platform).current)

    @property
    def members(self) -> dict[str, bytes]:
        return dict(members_of(self.archive))

    def json(self, member: str) -> Any:
        return json.loads(self.members[member])


def members_of(archive: bytes) -> list[tuple[str, bytes]]:
    from governance.bundle.verify import unpack

    problems: list[Check] = []
    found = unpack(archive, problems)
    assert not problems
    return found


def drain(registry: RegistryUnderTest) -> None:
    sequencer_of(registry.platform).drain()


def signed_decisions(registry: RegistryUnderTest, request_id: str) -> None:
    """Every decision about the request in the envelope that it would have been signed in, where it has none."""
    rows = query(
        registry,
        """select a.id, a.approver_id, u.name, a.decision, a.comment, a.evidence_digest, a.created_at from approvals a
           join users u on u.id = a.approver_id where a.request_id = %s and a.envelope is null""",
        request_id,
    )
    for identifier, approver, name, decision, comment, digest, at in rows:
        told = {
            "approvalId": str(identifier),
            "requestId": request_id,
            "approverId": str(approver),
            "approverName": name,
            "decision": decision,
            "comment": comment,
            "evidenceDigest": digest,
            "at": rendered(at),
            "onBehalfOf": None,
        }
        envelope = sealed(registry.platform.signer, DECISION, told).to_json()
        query(registry, "update approvals set envelope = %s where id = %s", json.dumps(envelope), identifier)


def exported(registry: RegistryUnderTest, until: str = "approve_production") -> Exported:
    """Of a request that people approved; the log went on afterwards."""
    model = model_with_version(registry)
    request = bring(registry, model, "1.0.0", until)
    signed_decisions(registry, request.id)
    drain(registry)
    registry.version(model, "2.0.0")
    drain(registry)
    name, archive = export(registry.platform, registry.dev, request.id)
    return Exported(registry, model, request.id, name, archive)


def failed(archive: bytes, key: str | None, known: bytes | None = None) -> dict[str, str]:
    """What does not hold: messages by subject."""
    found = Verification(archive, [key] if key else [], known)
    told: dict[str, str] = {}
    for check in found.checks:
        if not check.ok:
            told[check.subject] = f"{told.get(check.subject, '')} {check.message}.".strip()
    return told
