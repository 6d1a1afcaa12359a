"""The people of the demo: a developer, four approvers and an outsider, with tokens of their own.

Their passwords are random and live in a file that only its owner reads. When the file is lost, nobody can sign
in as them any more, so other people with a number behind their name take their place.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.cli.demo.client import Answer, Caller, Refused, Wire

MOST_NAMESAKES = 1000


@dataclass(frozen=True)
class Person:
    key: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]

    def username(self, number: int) -> str:
        return f"demo-{self.key}" + (f"-{number}" if number > 1 else "")


DANA = Person("dana", ("data_scientist", "ml_engineer"), ("ml-engineering", "demo"))
ROSA = Person("rosa", ("approver",), ("clinical",))  # asks for an approval once, and may not give it herself
RAVI = Person("ravi", ("approver",), ("risk",))
CLARA = Person("clara", ("validator",), ("clinical",))  # independent model validation
NOOR = Person("noor", ("approver",), ("risk",))
OTTO = Person("otto", ("viewer",), ("sales",))  # of another group: sees none of it
EVERYBODY = (DANA, ROSA, RAVI, CLARA, NOOR, OTTO)
APPROVERS = (RAVI, CLARA, NOOR)  # three people from two groups, one of them validating, as risk tier High asks


@dataclass(frozen=True)
class Account:
    name: str
    password: str


@dataclass(frozen=True)
class Session:
    """A person who is signed in; `token_id` is what gives the token back."""

    person: Person
    caller: Caller
    token_id: str

    @property
    def title(self) -> str:
        return f"{self.caller.name} ({', '.join(self.person.groups)})"


class Cast:
    """Everybody, signed in."""

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions = dict(sessions)

    def __getitem__(self, person: Person) -> Session:
        return self._sessions[person.key]

    def sign_out(self) -> None:
        """Give the tokens back; what could not be given back expires by itself."""
        for session in self._sessions.values():
            session.caller.delete(f"/api/v1/auth/tokens/{session.token_id}")


def gather_cast(wire: Wire, admin_token: str, state_file: Path | None) -> Cast:
    """Sign everybody in, creating whoever is missing. Raises Refused, PlatformGone, Stopped."""
    admin = Caller(wire, "admin", admin_token)
    for group in sorted({group for person in EVERYBODY for group in person.groups}):
        made = admin.post("/api/v1/groups", {"name": group})
        if made.status != 409:  # there since an earlier demo
            _ = made.data
    accounts = read_accounts(state_file)
    sessions: dict[str, Session] = {}
    for person in EVERYBODY:
        account = accounts.get(person.key)
        answer = _login(wire, account) if account else None
        if account is None or answer is None or answer.status == 401:
            account = _create(admin, person)
            accounts[person.key] = account
            write_accounts(state_file, accounts)
            answer = _login(wire, account)
        token = answer.data
        sessions[person.key] = Session(person, Caller(wire, account.name, token["token"]), token["tokenId"])
    return Cast(sessions)


def _login(wire: Wire, account: Account) -> Answer:
    body = {"username": account.name, "password": account.password, "label": "gatehouse demo"}
    return wire.call("POST", "/api/v1/auth/login", json=body)


def _create(admin: Caller, person: Person) -> Account:
    """Under the first name that is free."""
    password = secrets.token_urlsafe(24)
    for number in range(1, MOST_NAMESAKES):
        name = person.username(number)
        body = {"name": name, "roles": list(person.roles), "groups": list(person.groups), "password": password}
        answer = admin.post("/api/v1/users", body)
        if answer.status == 409:
            continue
        _ = answer.data
        break
    else:
        raise Refused(answer)
    return Account(name, password)


def read_accounts(state_file: Path | None) -> dict[str, Account]:
    """Accounts by the person's key; none when the file is missing or is not ours."""
    try:
        stored = json.loads(state_file.read_text("utf-8")) if state_file else {}
        return {key: Account(str(item["name"]), str(item["password"])) for key, item in stored.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_accounts(state_file: Path | None, accounts: Mapping[str, Account]) -> None:
    """Replace the file in one step; nobody but its owner ever reads it."""
    if state_file is None:
        return
    text = json.dumps({key: {"name": a.name, "password": a.password} for key, a in accounts.items()}, indent=2)
    fresh = state_file.with_name(f".{state_file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    fresh.replace(state_file)
