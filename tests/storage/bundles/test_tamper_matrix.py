"""Whatever is done to a bundle is detected, and told by the name of what it was done to."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import islice
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.checkpoint import Checkpoint
from governance.audit.note import VerifierKey
from governance.bundle.facts import PublicKeys
from governance.bundle.members import bundle
from governance.bundle.verify import pack
from governance.signing import DECISION, sealed
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.running import signing_key_of
from storage.bundles import export
from storage.signers import FileSigner
from tests.fixtures.registry import RegistryUnderTest
from tests.storage.bundles.exporting import Exported, drain, exported, failed, members_of
from tests.storage.bundles.tampering import cases, undetected

SPREAD = 11
"""Every how many-th case the normal run takes."""


@pytest.fixture(scope="module")
def made(shared_registry: RegistryUnderTest) -> Exported:
    return exported(shared_registry)


def test_a_spread_of_all_tampering(made: Exported) -> None:
    spread = islice(cases(members_of(made.archive)), 3, None, SPREAD)
    count, missed = undetected(spread, lambda archive: failed(archive, made.key))
    assert missed == []
    assert count >= 90


@pytest.mark.prove
def test_all_tampering(made: Exported) -> None:
    count, missed = undetected(cases(members_of(made.archive)), lambda archive: failed(archive, made.key))
    assert missed == []
    assert count >= 1_000


@pytest.mark.prove
def test_all_tampering_shows_without_a_key_from_outside(made: Exported) -> None:
    """Nothing here needs the key from outside, since nobody in these cases can sign."""
    count, missed = undetected(cases(members_of(made.archive)), lambda archive: failed(archive, None))
    assert missed == []
    assert count >= 1_000


def test_a_bundle_signed_by_somebody_else_is_theirs(made: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """They can make a whole bundle that agrees with itself; only the key from outside tells."""
    from storage import bundles

    r = made.registry
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

    def anew(row: dict[str, Any]) -> dict[str, Any]:
        """The decision, signed by their key."""
        payload = json.loads(b64decode(row["envelope"]["payload"]))
        return sealed(FileSigner(private), DECISION, payload).to_json()

    for name in (VerifierKey.named_after(private.public_key()).name, made.key.split("+")[0]):
        key = VerifierKey(name, private.public_key())

        def forged(facts, log, keys, signer, key=key):  # type: ignore[no-untyped-def]
            note = Checkpoint(key.name, log.size, log.root).signed(private)
            log = type(log)(log.entries, note, log.size, log.root)
            decided = [{**one, "envelope": anew(one)} for one in facts.approvals]
            theirs = type(facts)(**{**vars(facts), "approvals": decided})
            return bundle(theirs, log, PublicKeys(key.name, key), FileSigner(private))

        monkeypatch.setattr(bundles, "bundle", forged)
        _, archive = export(r.platform, r.dev, made.request_id)
        assert failed(archive, None) == {}
        assert "keys/keys.json" in failed(archive, made.key)


def test_a_decision_without_its_signature_is_named(made: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the database takes the envelope away; the platform itself then exports."""
    from storage import bundles

    def bare(facts, log, keys, signer):  # type: ignore[no-untyped-def]
        plain = type(facts)(**{**vars(facts), "approvals": [{**one, "envelope": None} for one in facts.approvals]})
        return bundle(plain, log, keys, signer)

    monkeypatch.setattr(bundles, "bundle", bare)
    _, archive = export(made.registry.platform, made.registry.dev, made.request_id)
    assert "is not signed" in failed(archive, made.key)["approvals.json"]


def test_an_older_bundle_does_not_hide_the_tail(made: Exported) -> None:
    """A log that was cut, or an answer from before: whoever knows a newer checkpoint sees it."""
    r = made.registry
    r.model()
    drain(r)
    known = CheckpointFiles(r.settings.audit_directory).recent()[-1]
    told = failed(made.archive, made.key, known.encode())
    assert "the log's tail is cut" in told["audit/checkpoint"]


def test_a_rewritten_log_contradicts_the_checkpoint_that_somebody_kept(made: Exported) -> None:
    """Even by whoever holds the signing key."""
    size = int(made.members["audit/checkpoint"].split(b"\n")[1])
    key = signing_key_of(made.registry.platform)
    for kept in (size, made.json("audit/proofs.json")["consistency"]["first"]):
        note = Checkpoint(made.key.split("+")[0], kept, bytes(32)).signed(key)
        assert "rewritten" in failed(made.archive, made.key, note.encode())["audit/checkpoint"]
    garbage = failed(made.archive, made.key, b"not a note")
    assert "cannot be used" in garbage["--checkpoint"]


def test_members_of_two_bundles_do_not_mix(made: Exported) -> None:
    """Each is signed as a whole: evidence of one decision cannot vouch for another."""
    other = exported(made.registry)
    ours, theirs = members_of(made.archive), other.members
    mixed = 0
    for name, data in ours:
        if name in theirs and theirs[name] != data:
            told = failed(pack([(one, theirs[name] if one == name else content) for one, content in ours]), made.key)
            assert any(name in word for word in (*told, *told.values())), (name, told)
            mixed += 1
    assert mixed >= 15
