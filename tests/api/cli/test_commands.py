"""What the commands say when nothing runs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.application import application
from tests.fixtures.platform import ROOT, free_port, gatehouse, gatehouse_environment


def test_the_version() -> None:
    done = gatehouse("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == f"gatehouse {version('gatehouse')}"


def test_every_command_is_listed_and_has_help() -> None:
    listed = gatehouse("--help").stdout
    for command in [
        "up",
        "down",
        "status",
        "demo",
        "openapi",
        "reconcile",
        "audit",
        "login",
        "logout",
        "whoami",
        "token",
        "policy",
        "inbox",
        "approve",
        "reject",
        "request-changes",
    ]:
        assert command in listed
        assert CliRunner().invoke(application, [command, "--help"]).exit_code == 0


def test_help_imports_nothing_heavy() -> None:
    probe = "import sys, api.cli.application; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=ROOT,
        env=gatehouse_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "storage",
        "governance",
        "fastapi",
        "sqlalchemy",
        "psycopg",
        "psutil",
        "httpx",
        "prefect",
    }


@pytest.mark.parametrize(
    "arguments", [("up", "--port", "0"), ("up", "--worker", "cold"), ("nonsense",), ("audit", "nonsense")]
)
def test_mistakes_are_answered_with_2(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(application, arguments).exit_code == 2


def test_openapi_needs_nothing(tmp_path: Path) -> None:
    done = gatehouse("openapi", HOME=str(tmp_path), GATEHOUSE_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert "/api/v1/models" in document["paths"]
    assert json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n" == done.stdout
    assert list(tmp_path.iterdir()) == []


def test_status_where_nothing_ever_ran(tmp_path: Path) -> None:
    done = gatehouse("status", "--json", "--home", tmp_path / "nothing")
    assert done.returncode == 3
    status = json.loads(done.stdout)
    assert (status["apiUrl"], status["dashboardUrl"], status["adminTokenFile"]) == (None, None, None)
    assert status["healthy"] is False
    assert not (tmp_path / "nothing").exists()


def test_down_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert gatehouse("down", "--home", tmp_path / "nothing").returncode == 0
    assert not (tmp_path / "nothing").exists()


def test_a_setting_that_cannot_be_used_is_named_without_its_secrets(tmp_path: Path) -> None:
    nowhere = "postgresql://user:hunter2@127.0.0.1:1/db"
    done = gatehouse("up", "--home", tmp_path, "--port", str(free_port()), GATEHOUSE_DATABASE_URL=nowhere)
    assert done.returncode == 1
    assert "Cannot connect" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for command in ("up", "down", "status"):
        assert CliRunner().invoke(application, [command, "--home", str(tmp_path / "file")]).exit_code == 2
    done = gatehouse("up", "--home", tmp_path / "file" / "below")
    assert done.returncode == 1
    assert "state directory" in done.stderr
