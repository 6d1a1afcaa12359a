"""`gatehouse inbox`, `approve`, `reject` and `request-changes` against a served API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import credentials
from api.cli.application import application
from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import registry
from governance.operations.delegations import NewDelegation, delegate
from storage.composition import now
from tests.api.served import ServedApi
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.approvals.deciding import newcomer
from tests.governance.operations.situations import parked, query

Run = Callable[..., Result]


@pytest.fixture
def run(api: ServedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command by Grace, or by whoever is named; lines are wide enough to hold a digest."""
    monkeypatch.setenv("COLUMNS", "250")

    def command(*words: str, by: Principal | None = None, typed: str | None = None) -> Result:
        token, token_id = api.registry.token(by or api.registry.grace)
        credentials.keep(tmp_path, api.url, credentials.Credential(token, token_id, ""))
        return CliRunner().invoke(application, [*words, "--home", str(tmp_path), "--api-url", api.url], input=typed)

    return command


def decisions(r: RegistryUnderTest, request: str) -> list[tuple[object, ...]]:
    return query(
        r,
        """select u.name, a.decision, a.comment, a.evidence_digest from approvals a join users u on u.id = a.approver_id
           where a.request_id = %s""",
        request,
    )


def test_the_inbox(api: ServedApi, run: Run) -> None:
    request = parked(api.registry)
    listed = run("inbox")
    assert listed.exit_code == 0, listed.output
    (line,) = [line for line in listed.stdout.splitlines() if request.id in line]
    assert "approve production: " in line
    assert "0/1" in line
    items = json.loads(run("inbox", "--json").stdout)
    assert request.id in [item["id"] for item in items]
    assert run("inbox", by=api.registry.dev).exit_code != 0


def test_one_request_is_shown_with_its_digest(api: ServedApi, run: Run) -> None:
    request = parked(api.registry)
    shown = run("inbox", "show", request.id)
    assert shown.exit_code == 0, shown.output
    assert f"Evidence: {request.evidence_digest} (unchanged since frozen)" in shown.stdout
    assert f"/runs/{request.id}" in shown.stdout
    assert "Have enough people approved exactly this?" in shown.stdout
    assert json.loads(run("inbox", "show", request.id, "--json").stdout)["unchanged"] is True
    for wrong in ("nonsense", "00000000-0000-7000-8000-000000000000"):
        assert run("inbox", "show", wrong).exit_code != 0


def test_approving_asks_and_signs_what_was_shown(api: ServedApi, run: Run) -> None:
    request = parked(api.registry)
    refused = run("approve", request.id, typed="n\n")
    assert refused.exit_code != 0
    assert str(request.evidence_digest) in refused.output
    assert decisions(api.registry, request.id) == []
    done = run("approve", request.id, typed="y\n")
    assert done.exit_code == 0, done.output
    assert decisions(api.registry, request.id) == [("grace", "approve", "", request.evidence_digest)]


@pytest.mark.parametrize(("command", "decision"), [("reject", "reject"), ("request-changes", "request_changes")])
def test_refusing_takes_a_reason(api: ServedApi, run: Run, command: str, decision: str) -> None:
    request = parked(api.registry)
    done = run(command, request.id, "--yes", typed="Cite the data.\n")
    assert done.exit_code == 0, done.output
    assert decisions(api.registry, request.id) == [("grace", decision, "Cite the data.", request.evidence_digest)]


def test_what_was_read_elsewhere_is_held_against_what_is_there(api: ServedApi, run: Run) -> None:
    r = api.registry
    request = parked(r)
    old = run("approve", request.id, "--yes", "--digest", "sha256:" + "0" * 64)
    assert old.exit_code != 0
    assert "other evidence" in old.output
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "license": "MIT"}, None)
    assert "version.metadata.license" in run("inbox", "show", request.id).stdout
    changed = run("approve", request.id, "--yes")
    assert changed.exit_code != 0
    assert decisions(r, request.id) == []


def test_deciding_for_somebody_else(api: ServedApi, run: Run) -> None:
    r = api.registry
    request, stand_in = parked(r), newcomer(r, (Role.VIEWER,), "lab")
    delegate(r.unit(), r.call(r.alan), NewDelegation(stand_in.name, now() + timedelta(days=2)))
    assert run("approve", request.id, "--yes", by=stand_in).exit_code != 0
    done = run("approve", request.id, "--yes", "--for", r.alan.id, by=stand_in)
    assert done.exit_code == 0, done.output
    assert f"{stand_in.name} for alan: approve" in run("inbox", "show", request.id).stdout
