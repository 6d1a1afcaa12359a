"""All parts of a bundle, in their order, and the signatures over them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from governance.audit.note import VerifierKey
from governance.bundle import statement
from governance.bundle.facts import Facts, PublicKeys, SealedEntries
from governance.bundle.licences import licence_findings
from governance.bundle.lineage import lineage
from governance.bundle.report import report
from governance.bundle.sbom import bill_of_materials
from governance.bundle.verify import FORMAT, pack
from governance.canonical import canonical_bytes
from governance.signing import IN_TOTO, Envelope, Signer, key_id, pae, sealed

_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the 32 bytes of an Ed25519 key


def bundle(facts: Facts, log: SealedEntries, keys: PublicKeys, signer: Signer) -> bytes:
    """The archive. Raises DependencyUnavailable when the key cannot be reached, InvalidInput for facts without
    canonical form.
    """
    files = _content(facts, log, keys)
    files |= _sealed("decision", statement.about_decision(facts, log), signer)
    if (summary := statement.summary(facts)) is not None:
        files |= _sealed("summary", summary, signer)
    ordered = dict(sorted(files.items(), key=lambda item: (item[0] != "README.txt", item[0])))
    manifest = canonical_bytes(
        {
            "format": FORMAT,
            "requestId": facts.request["id"],
            "checkpoint": {"size": log.size, "root": log.root.hex()},
            "members": [
                {"name": name, "size": len(data), "sha256": sha256(data).hexdigest()} for name, data in ordered.items()
            ],
        }
    )
    last = {"manifest.json": manifest, **_sealed("bundle", statement.about_bundle(manifest), signer)}
    return pack([*ordered.items(), *last.items()])


def file_name(facts: Facts) -> str:
    """E.g. `evidence-credit-risk-1.2.0-promote_production.zip`, of characters that every system takes."""
    request = facts.request
    parts = f"{request['modelName']}-{request['version']}-{request['transition']}"
    return "evidence-" + re.sub(r"[^A-Za-z0-9._-]+", "-", parts)[:120] + ".zip"


def _content(facts: Facts, log: SealedEntries, keys: PublicKeys) -> dict[str, bytes]:
    licences = licence_findings(facts)
    files = {
        "README.txt": _readme(keys.current),
        "verify.py": _verifier(),
        "report.html": report(facts, log, licences, str(keys.current)),
        "evidence.json": canonical_bytes(facts.evidence),
        "verdicts.json": canonical_bytes(list(facts.verdicts)),
        "policies.json": canonical_bytes(facts.subject["policies"]),
        "case.json": canonical_bytes(facts.case),
        "approvals.json": canonical_bytes(list(facts.approvals)),
        "evaluations.json": canonical_bytes(list(facts.evaluations)),
        "suites.json": canonical_bytes(list(facts.suites)),
        "lineage.json": canonical_bytes(lineage(facts)),
        "licences.json": canonical_bytes(licences),
        "sbom.cdx.json": canonical_bytes(bill_of_materials(facts)),
        "audit/entries.ndjson": b"".join(
            canonical_bytes({"seq": seq, "entry": text}) + b"\n" for seq, text, _, _ in log.entries
        ),
        "audit/proofs.json": canonical_bytes(_proofs(log)),
        "audit/checkpoint": log.checkpoint.encode(),
    }
    if log.older is not None:
        files["audit/checkpoint-older"] = log.older[0].encode()
    return files | _keys(keys)


def _proofs(log: SealedEntries) -> dict[str, Any]:
    return {
        "size": log.size,
        "root": log.root.hex(),
        "entries": [
            {"seq": seq, "leaf": leaf.hex(), "path": [node.hex() for node in path]}
            for seq, _, leaf, path in log.entries
        ],
        "consistency": log.older[1].to_json() if log.older is not None else None,
        "since": log.since.to_json() if log.since is not None else None,
    }


def _keys(keys: PublicKeys) -> dict[str, bytes]:
    listed = []
    files = {}
    for use, key in (("current", keys.current), *(("retired", one) for one in keys.retired)):
        identifier = key_id(key.public.public_bytes_raw())
        path = f"keys/{identifier[:16]}.pem"
        files[path] = _pem(key)
        listed.append({"keyId": identifier, "vkey": str(key), "pem": path, "use": use})
    told = {"log": keys.log, "keys": listed, "rotations": [one.to_json() for one in keys.rotations]}
    return {**files, "keys/keys.json": canonical_bytes(told)}


def _pem(key: VerifierKey) -> bytes:
    body = b64encode(_SPKI + key.public.public_bytes_raw())
    return b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----\n"


def _sealed(name: str, value: Mapping[str, Any], signer: Signer) -> dict[str, bytes]:
    """The envelope, and for OpenSSL what was signed and the signature as they are."""
    envelope: Envelope = sealed(signer, IN_TOTO, value)
    (signature,) = envelope.signatures.values()
    return {
        f"statements/{name}.dsse.json": canonical_bytes(envelope.to_json()),
        f"statements/{name}.pae": pae(IN_TOTO, envelope.payload),
        f"statements/{name}.sig": signature,
    }


@cache
def _verifier() -> bytes:
    return (Path(__file__).parent / "verify.py").read_bytes()


def _readme(key: VerifierKey) -> bytes:
    text = (Path(__file__).parent / "templates" / "README.md").read_text(encoding="utf-8")
    pem = f"keys/{key_id(key.public.public_bytes_raw())[:16]}.pem"
    return text.replace("{{ key }}", str(key)).replace("{{ pem }}", pem).encode()
