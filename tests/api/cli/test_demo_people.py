"""The demo's people: created once, signed in again, replaced when their passwords are lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from api.cli.demo.client import Refused, Wire
from api.cli.demo.people import (
    APPROVERS,
    DANA,
    EVERYBODY,
    RAVI,
    Account,
    Cast,
    gather_cast,
    read_accounts,
    write_accounts,
)
from tests.api.cli.demo_server import Asked, Reply, data, error, serving


class Registry:
    """Users and sign-in as the platform does them."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.revoked: list[str] = []
        self.groups: set[str] = set()

    def answer(self, asked: Asked) -> Reply:
        if asked.method == "DELETE":
            self.revoked.append(asked.path.rpartition("/")[2])
            return data(None)
        if asked.path == "/api/v1/auth/login":
            name = asked.body["username"]
            if self.passwords.get(name) != asked.body["password"]:
                return error(401, "UNAUTHENTICATED")
            return data({"token": f"token-of-{name}", "tokenId": f"id-of-{name}"})
        if asked.path == "/api/v1/groups" and asked.headers["authorization"] == "Bearer admin-token":
            known = asked.body["name"] in self.groups
            self.groups.add(asked.body["name"])
            return error(409, "DUPLICATE") if known else data({"id": "g"}, 201)
        if asked.headers["authorization"] != "Bearer admin-token":
            return error(403, "FORBIDDEN")
        if asked.body["name"] in self.passwords:
            return error(409, "DUPLICATE")
        self.passwords[asked.body["name"]] = asked.body["password"]
        return data({"id": "u"}, 201)


def signed_in(registry: Registry, state_file: Path | None, admin: str = "admin-token") -> Cast:
    with serving(registry.answer) as (address, _):
        wire = Wire(address, patience=1.0)
        try:
            cast = gather_cast(wire, admin, state_file)
            cast.sign_out()
            return cast
        finally:
            wire.close()


def test_a_second_run_signs_the_same_people_in(tmp_path: Path) -> None:
    registry, state_file = Registry(), tmp_path / "demo-users.json"
    first = signed_in(registry, state_file)
    created = dict(registry.passwords)
    second = signed_in(registry, state_file)
    assert registry.passwords == created
    assert len(created) == len(EVERYBODY)
    assert len(set(created.values())) == len(EVERYBODY)
    assert first[RAVI].caller.name == second[RAVI].caller.name == "demo-ravi"
    assert second[DANA].title == "demo-dana (ml-engineering, demo)"


def test_lost_passwords_lead_to_people_with_a_number(tmp_path: Path) -> None:
    registry, state_file = Registry(), tmp_path / "demo-users.json"
    signed_in(registry, state_file)
    state_file.unlink()
    assert signed_in(registry, state_file)[DANA].caller.name == "demo-dana-2"
    assert signed_in(registry, state_file)[DANA].caller.name == "demo-dana-2"
    assert signed_in(registry, None)[DANA].caller.name == "demo-dana-3"


def test_a_new_database_gets_the_people_anew(tmp_path: Path) -> None:
    state_file = tmp_path / "demo-users.json"
    signed_in(Registry(), state_file)
    assert signed_in(Registry(), state_file)[DANA].caller.name == "demo-dana"


def test_tokens_are_given_back() -> None:
    registry = Registry()
    signed_in(registry, None)
    assert sorted(registry.revoked) == sorted(f"id-of-demo-{person.key}" for person in EVERYBODY)


def test_without_an_administrator_nobody_is_created() -> None:
    with pytest.raises(Refused, match="403"):
        signed_in(Registry(), None, admin="somebody-else")


def test_only_the_owner_reads_the_passwords(tmp_path: Path) -> None:
    state_file = tmp_path / "demo-users.json"
    state_file.write_text("{}")
    state_file.chmod(0o644)
    accounts = {"dana": Account("demo-dana", "p")}
    write_accounts(state_file, accounts)
    assert stat.S_IMODE(state_file.stat().st_mode) == 0o600
    assert read_accounts(state_file) == accounts
    assert list(tmp_path.iterdir()) == [state_file]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"dana": 1}', '{"dana": {"name": "x"}}'])
def test_a_file_that_is_not_ours_counts_as_lost(tmp_path: Path, content: str) -> None:
    state_file = tmp_path / "demo-users.json"
    state_file.write_text(content)
    assert read_accounts(state_file) == {}


def test_three_people_of_two_groups_can_approve() -> None:
    approvers = [person for person in EVERYBODY if not {"approver", "validator"}.isdisjoint(person.roles)]
    assert any("validator" in person.roles for person in APPROVERS)
    assert len(approvers) == 4  # one of them asks, three decide
    assert len({group for person in approvers for group in person.groups}) >= 2
