"""What stands in a bundle, as strangers read it: our verifier, OpenSSL, securesystemslib, CycloneDX, a browser."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import b64decode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.signer._key import SSlibKey

from governance.access.roles import Role
from governance.bundle.verify import Verification
from governance.errors import EvidenceBroken, EvidenceNotReady, Forbidden, InvalidInput, NotFound
from governance.operations import transitions
from governance.policies.wait_timer import WaitTimer
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.running import public_keys
from storage.bundles import NotSealedYet, export
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.clock import pass_time
from tests.governance.operations.situations import in_production, model_with_version, parked, query, step
from tests.storage.bundles.exporting import Exported, drain, exported, failed


@pytest.fixture(scope="module")
def made(shared_registry: RegistryUnderTest) -> Exported:
    return exported(shared_registry)


def test_it_holds(made: Exported) -> None:
    found = Verification(made.archive, [made.key])
    assert found.ok, found.checks
    assert found.vouched
    assert {check.subject for check in found.checks} >= {"archive", "manifest.json", "audit/checkpoint-older"}
    assert found.summary["requestId"] == made.request_id


def test_the_same_state_gives_the_same_bytes(made: Exported) -> None:
    first, second = (export(made.registry.platform, made.registry.dev, made.request_id) for _ in range(2))
    assert first == second


def test_any_zip_reader_opens_it(made: Exported) -> None:
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == made.members


def test_verify_py_checks_it_alone(made: Exported, tmp_path: Path) -> None:
    """Out of the bundle, without site packages, in an empty directory."""
    (tmp_path / "verify.py").write_bytes(made.members["verify.py"])
    (tmp_path / "bundle.zip").write_bytes(made.archive)
    (tmp_path / "known").write_bytes(made.members["audit/checkpoint-older"])
    run = [sys.executable, "-I", "-S", "verify.py", "bundle.zip"]
    alone = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stdout
    assert "give --key" in alone.stdout
    given = [*run, "--key", made.key, "--checkpoint", "known"]
    vouched = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert vouched.returncode == 0, vouched.stdout
    assert "Everything holds" in vouched.stdout
    cut = bytearray(made.archive)
    cut[made.archive.index(b'"transition"')] ^= 1
    (tmp_path / "bundle.zip").write_bytes(bytes(cut))
    broken = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert re.search(r"FAILED +\S+\.json", broken.stdout)
    absent = subprocess.run([*run[:-1], "absent.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert absent.returncode == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")
@pytest.mark.parametrize("name", ["bundle", "decision", "summary"])
def test_openssl_verifies_the_same_signatures(made: Exported, tmp_path: Path, name: str) -> None:
    for member, content in made.members.items():
        (tmp_path / member).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / member).write_bytes(content)
    (pem,) = (tmp_path / "keys").glob("*.pem")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(pem), "-rawin"]
    command += ["-in", f"statements/{name}.pae", "-sigfile", f"statements/{name}.sig"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / f"statements/{name}.pae").write_bytes(b"DSSEv1 something else")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    assert f"openssl pkeyutl -verify -pubin -inkey keys/{pem.name}" in (tmp_path / "README.txt").read_text()


@pytest.mark.parametrize("name", ["bundle", "decision", "summary"])
def test_statements_are_in_toto_in_dsse(made: Exported, name: str) -> None:
    envelope = made.json(f"statements/{name}.dsse.json")
    keys = made.json("keys/keys.json")["keys"]
    key = SSlibKey.from_dict(
        keys[0]["keyId"],
        {
            "keytype": "ed25519",
            "scheme": "ed25519",
            "keyval": {"public": b64decode(keys[0]["vkey"].split("+", 2)[2])[1:].hex()},
        },
    )
    assert ForeignEnvelope.from_dict(envelope).verify([key], 1)
    statement = json.loads(b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    if name == "bundle":
        assert statement["subject"][0]["digest"]["sha256"] == sha256(made.members["manifest.json"]).hexdigest()
        return
    artifacts = made.json("evidence.json")["subject"]["artifacts"]
    assert [one["digest"]["sha256"] for one in statement["subject"]] == [one["sha256"] for one in artifacts] != []
    if name == "summary":
        assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
        assert statement["predicate"]["verificationResult"] == "PASSED"
        assert statement["predicate"]["verifiedLevels"] == ["GATEHOUSE_APPROVE_PRODUCTION"]
        assert statement["predicate"]["timeVerified"].endswith("Z")
    else:
        told = statement["predicate"]
        assert told["evidenceDigest"] == "sha256:" + sha256(made.members["evidence.json"]).hexdigest()
        assert [(one["decision"]) for one in told["approvals"]] == ["approve"]
        assert {one["outcome"] for one in told["gates"]} == {"passed"}


def test_the_bill_of_materials_is_cyclonedx(made: Exported) -> None:
    text = made.members["sbom.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    component = json.loads(text)["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    assert component["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert component["modelCard"]["considerations"]["useCases"] == ["Tests."]
    metric = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]
    assert (metric["type"], metric["value"]) == ("accuracy", "0.95")
    assert {"machine-learning-model", "data"} == {one["type"] for one in json.loads(text)["components"]}


def test_lineage_and_licences(made: Exported) -> None:
    graph = made.json("lineage.json")["graph"]
    kinds = {node["type"] for node in graph["nodes"]}
    assert {"model", "dataset", "evaluation-suite", "weights", "commit"} <= kinds
    ids = {node["id"] for node in graph["nodes"]}
    assert all(edge["source"] in ids and edge["target"] in ids for edge in graph["edges"])
    findings = made.json("licences.json")["findings"]
    assert [(one["about"], one["spdx"]) for one in findings] == [
        ("version", "recognised"),
        ("weights/model.onnx", "none"),
    ]


class Loads(HTMLParser):
    """Everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policies: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [f"{tag} {name}" for name in given if name in ("src", "href", "srcset", "data", "xlink:href")]
        self.found += [f"{tag} {name}" for name in given if name.startswith("on")]
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form", "img"):
            self.found.append(tag)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(str(given["content"]))


def test_the_report_opens_offline(made: Exported) -> None:
    page = made.members["report.html"].decode()
    reader = Loads()
    reader.feed(page)
    assert reader.found == []
    assert reader.policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not re.search(r"https?:|url\(|@import", page)
    for told in ("approve_production", "grace", "accuracy", "<svg", made.key.replace("+", "&#43;"), "verify.py"):
        assert told in page or told.replace("&#43;", "+") in page, told


def test_what_people_wrote_is_text_in_the_report(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model(description="<script>alert(1)</script> & so on, long enough to be taken.")
    r.version(model)
    request = step(r, model, "1.0.0", "submit")
    drain(r)
    _, archive = export(r.platform, r.dev, request.id)
    page = Exported(r, model, request.id, "", archive).members["report.html"].decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_signed_decisions_are_checked(made: Exported) -> None:
    (row,) = made.json("approvals.json")
    assert row["envelope"]["payloadType"] == "application/vnd.gatehouse.decision+json"
    found = Verification(made.archive, [made.key])
    assert "1 signed on their own" in next(check.message for check in found.checks if check.subject == "approvals.json")


def test_for_whom_a_decision_was_made_is_what_was_signed(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    made = exported(r)
    assert made.json("approvals.json")[0]["onBehalfOf"] is None
    query(r, "update approvals set on_behalf_of = %s where request_id = %s", r.edsger.id, made.request_id)
    _, archive = export(r.platform, r.dev, made.request_id)
    assert "is not what was signed" in failed(archive, made.key)["approvals.json"]


@pytest.mark.parametrize("transition", ["submit", "evaluate", "deploy_staging", "promote_production"])
def test_every_kind_of_request_has_its_bundle(shared_registry: RegistryUnderTest, transition: str) -> None:
    made = exported(shared_registry, transition)
    assert failed(made.archive, made.key) == {}
    actions = [
        json.loads(json.loads(line)["entry"])["action"] for line in made.members["audit/entries.ndjson"].splitlines()
    ]
    assert {"model:created", "version:created", "request:opened", "request:applied"} <= set(actions)


def test_a_rollback_tells_what_moved_along(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "1.1.0")
    request = step(r, model, "1.1.0", "rollback", reason="It drifted.")
    drain(r)
    _, archive = export(r.platform, r.dev, request.id)
    made = Exported(r, model, request.id, "", archive)
    assert failed(archive, made.key) == {}
    assert b"finding:opened" in made.members["audit/entries.ndjson"]


def test_denied_parked_and_withdrawn_requests(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    waiting = parked(r)
    drain(r)
    _, archive = export(r.platform, r.dev, waiting.id)
    made = Exported(r, waiting.model_id, waiting.id, "", archive)
    assert failed(archive, made.key) == {}
    assert "statements/summary.dsse.json" not in made.members
    assert made.members["case.json"] == b"null"
    transitions.withdraw(r.unit(), r.call(r.dev), waiting.id, "Not now.")
    drain(r)
    assert failed(export(r.platform, r.dev, waiting.id)[1], made.key) == {}

    model = r.model()
    r.version(model, weights=None)
    request = r.open(model, "1.0.0", "submit")
    settled = r.settle(request)
    assert settled.status == "denied"
    drain(r)
    _, archive = export(r.platform, r.dev, request.id)
    made = Exported(r, model, request.id, "", archive)
    assert failed(archive, made.key) == {}
    summary = json.loads(b64decode(made.json("statements/summary.dsse.json")["payload"]))
    assert summary["predicate"]["verificationResult"] == "FAILED"
    assert summary["subject"][0]["name"] == "evidence.json"


@pytest.mark.parametrize("changed", [False, True])
def test_an_expired_request_has_its_bundle(registry_under_test: RegistryUnderTest, changed: bool) -> None:
    """Refused by time alone, outside of any flow: the log holds its verdicts and its case like those of others."""
    r = registry_under_test
    waiting = parked(r)
    if changed:  # policies, while nobody was looking
        r.publish(WaitTimer.name, {"minutes": {"Low": 60, "Medium": 60, "High": 60}})
    r.later(days=15)
    assert pass_time(r).expired == (waiting.id,)
    drain(r)
    _, archive = export(r.platform, r.dev, waiting.id)
    assert failed(archive, str(public_keys(r.platform).current)) == {}


def test_refusals(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    with pytest.raises(EvidenceNotReady):
        export(r.platform, r.dev, request.id)
    r.settle(request)
    with pytest.raises(NotSealedYet):
        export(r.platform, r.dev, request.id)
    drain(r)
    stranger = r.person(f"stranger-{request.id}", [Role.VIEWER], "elsewhere")
    nobody = r.person(f"nobody-{request.id}", [])
    for who, what in ((r.dev, "no id"), (r.dev, model), (stranger, request.id), (nobody, request.id)):
        with pytest.raises((NotFound, Forbidden)):
            export(r.platform, who, what)
    assert export(r.platform, r.admin, request.id)
    with pytest.raises(InvalidInput):
        export(r.platform, r.dev, request.id, since=10**9)
    query(r, "alter table transition_requests disable trigger all")
    query(
        r,
        "update transition_requests set evidence = jsonb_set(evidence, '{subject,model,name}', '\"x\"') where id = %s",
        request.id,
    )
    with pytest.raises(EvidenceBroken, match="digest"):
        export(r.platform, r.dev, request.id)
    query(r, "alter table transition_requests enable trigger all")


def test_from_any_older_checkpoint_on(made: Exported) -> None:
    """Whoever kept a checkpoint asks for the proof from it on."""
    r = made.registry
    kept = CheckpointFiles(r.settings.audit_directory).recent()[-1].encode()
    for _ in range(3):
        r.model()
        drain(r)
    size = int(kept.split(b"\n")[1])
    plain = export(r.platform, r.dev, made.request_id)[1]
    assert "--since" in failed(plain, made.key, kept)["--checkpoint"]
    asked = export(r.platform, r.dev, made.request_id, since=size)[1]
    assert failed(asked, made.key, kept) == {}


def test_a_stale_cache_of_subtrees_is_made_anew(made: Exported) -> None:
    r = made.registry
    for number in range(30):  # beyond 256 entries, so that there is something stored
        exported(r, "submit") if number % 10 == 0 else r.model()
    while int(query(r, "select size from audit_head")[0][0]) < 300:
        r.model()
        drain(r)
    _, archive = export(r.platform, r.dev, made.request_id)
    assert failed(archive, made.key) == {}
    assert query(r, "select count(*) from audit_tree")[0][0] >= 1
    query(r, "update audit_tree set hash = sha256('x')")
    assert failed(export(r.platform, r.dev, made.request_id, since=256)[1], made.key) == {}
    assert query(r, "select count(*) from audit_tree where hash = sha256('x')") == [(0,)]
