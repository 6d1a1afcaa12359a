"""The evidence bundle over HTTP and by the command line, with the serving process's own sequencer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.credentials import Credential, keep
from governance.access.roles import Role
from governance.bundle.verify import Verification
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, refusal, served
from tests.fixtures.platform import gatehouse
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import bring, eventually, model_with_version, query
from tests.storage.bundles.exporting import failed, members_of


@pytest.fixture(scope="module")
def sequenced(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    home = tmp_path_factory.mktemp("evidence") / "home"
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, home, sequence_audit=True) as api,
    ):
        yield api


def path_of(request_id: str) -> str:
    return f"/api/v1/transition-requests/{request_id}/evidence"


def key_of(api: ServedApi) -> str:
    return (api.registry.settings.key_directory / "audit-signing.vkey").read_text()


def test_a_settled_request_is_exported_at_once(sequenced: ServedApi) -> None:
    """The call waits for the entries that were just written to be signed."""
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "approve_staging")
    answer = sequenced.dev.get(path_of(request.id))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert ".zip" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "private, no-store"
    assert failed(answer.content, key_of(sequenced)) == {}
    assert Verification(answer.content).summary["requestId"] == request.id


def test_who_may_read_the_request_may_have_its_evidence(sequenced: ServedApi) -> None:
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "submit")
    assert (
        sequenced.sign_in(r.person("auditor-of-all", [Role.AUDITOR], "elsewhere")).get(path_of(request.id)).is_success
    )
    outsider = sequenced.sign_in(r.person("viewer-elsewhere", [Role.VIEWER], "elsewhere"))
    refusal(outsider.get(path_of(request.id)), 404, "TRANSITION_REQUEST_NOT_FOUND")
    refusal(sequenced.dev.get(path_of("nothing")), 404, "TRANSITION_REQUEST_NOT_FOUND")
    refusal(sequenced.anonymous.get(path_of(request.id)), 401, "UNAUTHENTICATED")
    refusal(sequenced.dev.get(path_of(request.id), params={"since": 10**12}), 400, "INVALID_INPUT")
    refusal(sequenced.dev.get(path_of(request.id), params={"since": 0}), 400, "INVALID_INPUT")


def test_data_sets_that_the_caller_may_not_see_stay_closed(sequenced: ServedApi) -> None:
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "approve_staging")
    auditor = sequenced.sign_in(r.person("auditor-of-history", [Role.AUDITOR], "elsewhere"))
    archive = auditor.get(path_of(request.id)).content
    assert failed(archive, key_of(sequenced)) == {}
    members = dict(members_of(archive))
    assert b"d" * 64 not in archive, "the digest of its content"
    assert b"holdout-" not in members["lineage.json"] + members["sbom.cdx.json"]
    assert b"closed to whoever exported this" in members["lineage.json"]
    theirs = dict(members_of(sequenced.dev.get(path_of(request.id)).content))
    assert b"holdout-" in theirs["lineage.json"]


def test_evidence_that_is_not_there_yet(sequenced: ServedApi) -> None:
    r = sequenced.registry
    request = r.open(model_with_version(r), "1.0.0", "submit")
    told = refusal(sequenced.dev.get(path_of(request.id)), 409, "EVIDENCE_NOT_READY")
    assert told["details"]["status"] == "open"


def test_without_a_sequencer_it_is_to_be_tried_again(api: ServedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.evidence.SEAL_SECONDS", 0.0)
    request = bring(api.registry, model_with_version(api.registry), "1.0.0", "submit")
    told = api.dev.get(path_of(request.id))
    refusal(told, 503, "DEPENDENCY_UNAVAILABLE")
    assert told.headers["retry-after"]


def test_several_at_once(sequenced: ServedApi) -> None:
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "submit")
    answers: list[bytes] = []

    def ask() -> None:
        with sequenced.with_token(sequenced.tokens["dana"]) as client:
            answers.append(client.get(path_of(request.id)).content)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [failed(one, key_of(sequenced)) for one in answers] == [{}] * 6


def test_the_command_line_exports_and_verifies(sequenced: ServedApi, tmp_path: Path) -> None:
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "approve_staging")
    home = tmp_path / "home"
    keep(home, sequenced.url, Credential(sequenced.tokens["dana"], "id", "2100-01-01T00:00:00Z"))
    file = tmp_path / "bundle.zip"
    where = ("--home", home, "--api-url", sequenced.url)
    done = gatehouse("evidence", "export", request.id, "-o", file, *where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(file)
    again = gatehouse("evidence", "export", request.id, "-o", file, *where)
    assert again.returncode == 1
    assert "Traceback" not in again.stderr

    plain = gatehouse("evidence", "verify", file, "--home", home)
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert "give --key" in plain.stdout
    key = key_of(sequenced).strip()
    vouched = gatehouse("evidence", "verify", file, "--key", key, "--home", home)
    assert vouched.returncode == 0
    assert "Everything holds" in vouched.stdout
    own = gatehouse("evidence", "verify", file, "--home", r.settings.home)
    assert "Everything holds" in own.stdout, "the registry's own machine has its key"

    archive = bytearray(file.read_bytes())
    archive[archive.index(b'"riskTier":"Low"') + 13] ^= 1
    broken = tmp_path / "broken.zip"
    broken.write_bytes(archive)
    found = gatehouse("evidence", "verify", broken, "--key", key, "--json", "--home", home)
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["ok"] is False
    assert any(not one["ok"] and one["subject"].endswith(".json") for one in told["checks"])
    assert gatehouse("evidence", "verify", tmp_path / "absent.zip").returncode == 2


def test_a_rotation_is_audited_and_bundles_go_on(sequenced: ServedApi) -> None:
    r = sequenced.registry
    request = bring(r, model_with_version(r), "1.0.0", "submit")
    old = key_of(sequenced)
    assert failed(sequenced.dev.get(path_of(request.id)).content, old) == {}
    url = r.settings.database_url
    done = gatehouse("keys", "rotate", "--home", r.settings.home, GATEHOUSE_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    new = key_of(sequenced)
    assert new == done.stdout
    again = bring(r, model_with_version(r), "1.0.0", "submit")
    archive = sequenced.dev.get(path_of(again.id)).content
    assert failed(archive, old) == failed(archive, new) == {}
    assert dict(members_of(archive))["audit/checkpoint"].count("\n— ".encode()) == 2
    eventually(lambda: query(r, "select 1 from audit_entries where entry like '%%signing-key:rotated%%'") == [(1,)])


def test_the_command_line_rotates(tmp_path: Path) -> None:
    home = tmp_path / "home"
    none = gatehouse("keys", "list", "--home", home)
    assert none.returncode == 1
    assert "Traceback" not in none.stderr
    first = gatehouse("keys", "rotate", "--home", home, "--overlap-days", "2")
    assert first.returncode == 0, first.stderr
    assert "does not run" in first.stderr
    listed = json.loads(gatehouse("keys", "list", "--json", "--home", home).stdout)
    assert [one["use"] for one in listed["keys"]] == ["current", "retired"]
    assert listed["keys"][0]["verifierKey"] == first.stdout.strip()
    assert listed["keys"][1]["until"] is not None
    shown = gatehouse("keys", "list", "--home", home)
    assert "current" in shown.stdout
    refused = gatehouse("keys", "rotate", "--to-command", "hsm", "--home", home)
    assert refused.returncode == 1
    assert "--to-public-key" in refused.stderr
