"""`gatehouse policy …` from a file to a policy in force, by two people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import credentials
from api.cli.application import application
from governance.access.principal import Principal
from tests.api.served import ServedApi
from tests.fixtures.policies import policy
from tests.governance.operations.situations import bring, model_with_version


class Shell:
    def __init__(self, api: ServedApi, person: Principal, home: Path) -> None:
        token, token_id = api.registry.token(person)
        credentials.keep(home, api.url, credentials.Credential(token, token_id, "later"))
        self.options = ["--home", str(home), "--api-url", api.url]

    def run(self, *command: str, code: int = 0, typed: str = "") -> str:
        done = CliRunner().invoke(application, ["policy", *command, *self.options], input=typed)
        assert done.exit_code == code, done.output
        return done.output

    def json(self, *command: str) -> Any:
        return json.loads(self.run(*command, "--json"))


def written(path: Path, value: dict[str, Any], *, as_yaml: bool = True) -> str:
    path.write_text(yaml.safe_dump(value) if as_yaml else json.dumps(value))
    return str(path)


@pytest.mark.parametrize("as_yaml", [True, False])
def test_checking_needs_nothing_that_runs(tmp_path: Path, as_yaml: bool) -> None:
    def check(value: dict[str, Any]) -> tuple[int, str]:
        file = written(tmp_path / "policy", value, as_yaml=as_yaml)
        done = CliRunner().invoke(application, ["policy", "check", file])
        return done.exit_code, done.output

    code, said = check(policy())
    assert (code, "1 rule(s); 1 allowed and 1 denied sample(s) hold" in said) == (0, True)
    code, said = check(policy(rules=[{"id": "typo", "expression": "model.nmae == ''", "message": "No."}]))
    assert code == 1
    assert "typo:1:6: undeclared reference to 'model.nmae'." in said
    assert check({"name": "completeness", "parameters": {"minimum_description": 5}})[0] == 0
    assert check({"name": "completeness", "parameters": {"minimum": 5}})[0] == 1


@pytest.mark.parametrize(
    "content", ["- a\n- b", "name: [", "a: 1", "\x00", "name: !!python/object/apply:os.system [id]"]
)
def test_what_is_no_policy_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "policy").write_text(content)
    done = CliRunner().invoke(application, ["policy", "check", str(tmp_path / "policy")])
    assert done.exit_code == 1
    assert "Error: " in done.output
    assert "Traceback" not in done.output


def test_from_a_file_to_a_policy_in_force(api: ServedApi, tmp_path: Path) -> None:
    r = api.registry
    root, grace = Shell(api, r.admin, tmp_path / "root"), Shell(api, r.grace, tmp_path / "grace")
    scope = {"transitions": ["approve_staging"], "tags": ["by-command-line"]}
    model = model_with_version(r)
    request = bring(r, model, "1.0.0", "approve_staging")
    file = written(tmp_path / "policy.yaml", policy("by-command-line", least=0.99, scope=scope))
    change = root.json("propose", file, "--reason", "Try it.")["change"]["id"]
    assert change in grace.run("changes")
    assert "SELF" not in root.run("approve", change, "--yes", code=1)
    said = grace.run("approve", change, typed="n\n", code=1)
    assert "past decisions would flip" in said
    assert "active" not in root.run("show", "by-command-line")
    assert "create approved" in grace.run("approve", change, typed="y\n")
    shown = root.run("show", "by-command-line")
    assert "by-command-line v1 (active, hard, compliance)" in shown
    assert "evaluation.taskMetrics.accuracy >= 0.99" in shown
    assert any(one["name"] == "by-command-line" for one in root.json("list"))
    assert "approvals" in root.run("list")

    everywhere = policy("by-command-line", least=0.99, scope={"transitions": ["approve_staging"]})
    wider = written(tmp_path / "wider.json", everywhere, as_yaml=False)
    flips = root.json("impact", "by-command-line", "--file", wider)["decisions"]["flips"]
    assert request.id in {one["requestId"] for one in flips}
    assert "allowed -> denied" in root.run("impact", "by-command-line", "--file", wider)
    withdrawn = root.json("propose", wider)["change"]["id"]
    assert "rejected" in root.run("reject", withdrawn, "--comment", "On second thought.")
    drafted = written(tmp_path / "draft.yaml", policy("only-a-draft"))
    assert "draft" in root.run("propose", drafted, "--draft")

    again = root.json("replay", request.id)
    assert again["same"] is True
    assert "byte for byte" in root.run("replay", request.id)
    assert "Error" in root.run("replay", "nothing", code=1)
    broken = {**everywhere, "rules": [{"id": "x", "expression": "1 +", "message": "No."}]}
    assert "x:1:" in root.run("propose", written(tmp_path / "broken.yaml", broken), code=1)
