"""`gatehouse login`, `whoami`, `token` and `logout` as a person uses them, in processes of their own."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import credentials
from api.cli.application import application
from governance.operations import people
from storage.credentials import hash_password
from storage.platform_processes.errors import PlatformError
from tests.api.oidc.conftest import TrustingApi
from tests.fixtures.oidc_browser import OidcBrowser
from tests.fixtures.platform import GATEHOUSE, gatehouse_environment
from tests.governance.operations.situations import query

PASSWORD = "correct horse battery staple"


class Shell:
    """Commands of one person, in this process."""

    def __init__(self, made: TrustingApi, home: Path) -> None:
        self.options = ["--home", str(home), "--api-url", made.api.url]

    def run(self, *command: str, typed: str = "", code: int = 0) -> str:
        done = CliRunner().invoke(application, [*command, *self.options], input=typed)
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.output

    def json(self, *command: str) -> Any:
        return json.loads(self.run(*command, "--json"))


def test_device_flow(signing_in: TrustingApi, tmp_path: Path) -> None:
    shell = Shell(signing_in, tmp_path / "home")
    command = subprocess.Popen(
        [*GATEHOUSE, "login", "--oidc", *shell.options],
        env=gatehouse_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with command, OidcBrowser("ada") as browser:
        try:
            assert command.stderr is not None
            said = command.stderr.readline()
            found = re.search(r"Open (\S+) and enter the code (\S+)", said)
            assert found is not None, said + command.stderr.read()
            page = browser.walk(found[1], user_code=found[2])
            assert isinstance(page, str)
            rest = command.stderr.read()
            assert command.wait(60) == 0, rest
        finally:
            command.kill()
    assert "Signed in as ada." in rest
    stored = credentials.credentials_file(tmp_path / "home")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert "ghs_" not in said + rest
    me = shell.json("whoami")
    assert (me["name"], me["groups"]) == ("ada", ["data-science", "risk"])


@pytest.fixture
def with_password(signing_in: TrustingApi) -> str:
    """The name of somebody with a password."""
    registry = signing_in.api.registry
    name = "paula"
    if not query(registry, "select 1 from users where name = %s", name):
        people.create_user(
            registry.unit(),
            registry.call(registry.admin),
            people.NewUser(name, password_hash=hash_password(PASSWORD)),
        )
    return name


def test_password_tokens_and_logout(signing_in: TrustingApi, with_password: str, tmp_path: Path) -> None:
    shell = Shell(signing_in, tmp_path)
    assert "Nobody is signed in" in shell.run("whoami", code=1)
    said = shell.run("login", typed=f"{with_password}\n{PASSWORD}\n")
    assert PASSWORD not in said
    assert with_password in shell.run("whoami")

    other = Shell(signing_in, tmp_path / "elsewhere")
    other.run("login", "--username", with_password, typed=f"{PASSWORD}\n")
    tokens = [token for token in shell.json("token", "list") if token["revokedAt"] is None]
    assert len(tokens) == 2
    shown = shell.run("token", "list")
    assert all(token["id"] in shown for token in tokens)
    own = credentials.read(tmp_path, signing_in.api.url)
    assert own is not None
    assert own.token not in repr(own)
    (theirs,) = {token["id"] for token in tokens} - {own.token_id}
    shell.run("token", "revoke", theirs)
    key = shell.run("token", "create", "ci", "--scope", "model:read", "--calls", "3", "--days", "2").strip()
    (made,) = [token for token in shell.json("token", "list") if token["label"] == "ci"]
    assert (made["kind"], made["scopes"], made["callsAllowed"]) == ("api_key", ["model:read"], 3)
    assert signing_in.me(key)["name"] == with_password
    assert "unknown, expired or revoked" in other.run("whoami", code=1)
    other.run("logout")

    shell.run("logout")
    assert credentials.read(tmp_path, signing_in.api.url) is None
    with signing_in.api.with_token(own.token) as client:
        assert client.get("/api/v1/auth/me").status_code == 401


def test_a_wrong_password_stores_nothing(signing_in: TrustingApi, with_password: str, tmp_path: Path) -> None:
    said = Shell(signing_in, tmp_path).run("login", "--username", with_password, typed="wrong\n", code=1)
    assert "Name or password is wrong." in said
    assert not credentials.credentials_file(tmp_path).exists()


def test_secrets_travel_safely_or_not_at_all(tmp_path: Path) -> None:
    options = ["--home", str(tmp_path), "--api-url", "http://registry.example", "--username", "ada"]
    done = CliRunner().invoke(application, ["login", *options], input="x\n")
    assert done.exit_code == 1
    assert "neither https nor on this machine" in done.output


def test_apis_do_not_see_each_others_tokens(tmp_path: Path) -> None:
    one, two = (credentials.Credential(f"ghs_{name}", name, "2027-01-01") for name in ("one", "two"))
    credentials.keep(tmp_path, "https://one.example", one)
    credentials.keep(tmp_path, "https://two.example", two)
    credentials.keep(tmp_path, "https://one.example", None)
    assert credentials.read(tmp_path, "https://one.example") is None
    assert credentials.read(tmp_path, "https://two.example") == two


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    credentials.keep(tmp_path, "https://one.example", credentials.Credential("ghs_x", "x", "2027-01-01"))
    credentials.credentials_file(tmp_path).chmod(0o644)
    with pytest.raises(PlatformError, match="0600"):
        credentials.read(tmp_path, "https://one.example")
    credentials.credentials_file(tmp_path).chmod(0o600)
    credentials.credentials_file(tmp_path).write_text("[]")
    with pytest.raises(PlatformError, match="damaged"):
        credentials.read(tmp_path, "https://one.example")
