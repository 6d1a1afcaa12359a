"""A signed statement that everything that applied was met: by this platform, for itself."""

from __future__ import annotations

from typing import Any

from governance.compliance.assessment import Assessment
from governance.compliance.frameworks import DISCLAIMER
from governance.signing import IN_TOTO, Signer, sealed

PREDICATE = "https://gatehouse.invalid/attestation/compliance/v1"


def attestation(found: Assessment, signer: Signer) -> dict[str, Any]:
    """{"framework", ..., "statement": DSSE envelope}. Raises ValueError unless everything is met."""
    if found.status != "met" or found.edition is None or found.facts.evidence_digest is None:
        raise ValueError(f"there is nothing to attest: {found.because}")
    facts = found.facts
    digest = found.facts.evidence_digest.removeprefix("sha256:")
    told = found.to_json()
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{facts.model_name} {facts.version} evidence", "digest": {"sha256": digest}}],
        "predicateType": PREDICATE,
        "predicate": {**told, "source": found.edition.source, "disclaimer": DISCLAIMER},
    }
    return {
        "framework": found.framework.id,
        "edition": found.edition.id,
        "modelId": facts.model_id,
        "modelName": facts.model_name,
        "version": facts.version,
        "asOf": told["asOf"],
        "issuer": "this Gatehouse",
        "kind": "self-attestation",
        "disclaimer": DISCLAIMER,
        "statement": sealed(signer, IN_TOTO, statement).to_json(),
    }
