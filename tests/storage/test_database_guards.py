"""What the database refuses to SQL that somebody writes by hand, as the owner of the tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from governance.lifecycle import COMPANION_EDGES, TRANSITIONS, VersionState, edges
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import RegistryUnderTest

__all__ = ["shared_registry"]

STATES = [state.value for state in VersionState]
ALONG = {(name.value, source.value, target.value) for name, (source, target) in COMPANION_EDGES.items()}
OWN = {tuple(part.value for part in edge) for edge in edges()} - ALONG
SETTLED = ["applied", "denied", "withdrawn"]


class Vandal:
    """Somebody with a SQL prompt. Nothing that they do is committed."""

    def __init__(self, connection: psycopg.Connection[Any], registry: RegistryUnderTest) -> None:
        self.connection = connection
        self.model, self.other = registry.model(), registry.model()
        self.version = registry.version(self.model, "1.0.0", weights=None)
        self.sibling = registry.version(self.model, "2.0.0", weights=None)
        self.stranger = registry.version(self.other, "1.0.0", weights=None)
        self.requester, self.approver = registry.dev.id, registry.grace.id

    def run(self, statement: str, *values: object) -> int:
        return self.connection.execute(statement.encode(), values).rowcount

    def refused(self, statement: str, *values: object, by: type[Exception] = errors.CheckViolation) -> None:
        with pytest.raises(by), self.connection.transaction():
            self.run(statement, *values)

    def passes(self, statement: str, *values: object) -> bool:
        """Whether the statement changes a row. Only refusals by a rule count as refusals."""
        try:
            with self.connection.transaction(force_rollback=True):
                return self.run(statement, *values) == 1
        except errors.CheckViolation:
            return False

    def request(self, transition: str, version: str, *, model: str | None = None, status: str = "open") -> str:
        request_id = str(uuid4())
        self.run(
            """insert into transition_requests (id, model_id, version_id, transition, status, requester_id, reason,
               attempt, created_at, updated_at) values (%s, %s, %s, %s, %s, %s, '', 1, now(), now())""",
            request_id,
            model or self.model,
            version,
            transition,
            status,
            self.requester,
        )
        return request_id

    def put(self, version: str, state: str) -> None:
        """Where no rule of ours would have brought it."""
        self.run("alter table model_versions disable trigger guard_version_state")
        self.run("update model_versions set state = %s where id = %s", state, version)
        self.run("alter table model_versions enable trigger guard_version_state")

    def moves(self, request: str | None, version: str) -> set[tuple[str, str]]:
        """Every (from, to) that a raw UPDATE with this request gets through."""
        found = set()
        for source, target in itertools.permutations(STATES, 2):
            with self.connection.transaction(force_rollback=True):
                self.put(version, source)
                if self.passes(MOVE, target, request, version):
                    found.add((source, target))
        return found


MOVE = "update model_versions set state = %s, last_request_id = %s where id = %s"


@pytest.fixture
def vandal(shared_registry: RegistryUnderTest) -> Iterator[Vandal]:
    with rolled_back(shared_registry) as connection:
        yield Vandal(connection, shared_registry)


@contextmanager
def rolled_back(registry: RegistryUnderTest) -> Iterator[psycopg.Connection[Any]]:
    connection = psycopg.connect(registry.settings.database_url)
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


@pytest.mark.parametrize("state", STATES)
def test_a_version_is_born_a_draft(vandal: Vandal, state: str) -> None:
    insert = """insert into model_versions (id, model_id, version, precedence, state, commit_sha, metadata, revision,
        created_by, created_at, updated_at) values (%s, %s, '9.0.0', '9.0.0', %s, '0000000', %s, 1, %s, now(), now())"""
    born = vandal.passes(insert, str(uuid4()), vandal.model, state, Jsonb({}), vandal.requester)
    assert born == (state == "draft")


def test_without_a_request_no_edge_can_be_taken(vandal: Vandal) -> None:
    assert vandal.moves(None, vandal.version) == set()
    assert vandal.moves(str(uuid4()), vandal.version) == set()


@pytest.mark.parametrize("transition", [name.value for name in TRANSITIONS])
def test_a_request_takes_its_own_version_along_the_edges_of_its_transition(vandal: Vandal, transition: str) -> None:
    request = vandal.request(transition, vandal.version)
    expected = {(source, target) for name, source, target in OWN if name == transition}
    assert vandal.moves(request, vandal.version) == expected


@pytest.mark.parametrize("transition", [name.value for name in TRANSITIONS])
def test_a_request_takes_another_version_along_only_where_the_lifecycle_says_so(
    vandal: Vandal, transition: str
) -> None:
    request = vandal.request(transition, vandal.sibling)
    expected = {(source, target) for name, source, target in ALONG if name == transition}
    assert vandal.moves(request, vandal.version) == expected


def test_a_request_about_another_model_moves_nothing(vandal: Vandal) -> None:
    for transition in ("submit", "promote_production", "rollback"):
        with vandal.connection.transaction(force_rollback=True):
            request = vandal.request(transition, vandal.stranger, model=vandal.other)
            assert vandal.moves(request, vandal.version) == set()


@pytest.mark.parametrize("status", SETTLED)
def test_a_settled_request_moves_nothing_any_more(vandal: Vandal, status: str) -> None:
    for transition in ("submit", "promote_production", "retire"):
        assert vandal.moves(vandal.request(transition, vandal.version, status=status), vandal.version) == set()


def test_a_request_moves_a_version_once(vandal: Vandal) -> None:
    request = vandal.request("submit", vandal.version)
    vandal.run(MOVE, "submitted", request, vandal.version)
    vandal.put(vandal.version, "draft")
    vandal.refused(MOVE, "submitted", request, vandal.version)


@pytest.mark.parametrize(
    ("column", "value"),
    [("version", "9.9.9"), ("id", "3e7c0f7e-5c1d-4f0e-9a53-0d5c6a1f2b44"), ("model_id", "other")],
)
def test_the_identity_of_a_version_stays(vandal: Vandal, column: str, value: str) -> None:
    value = vandal.other if value == "other" else value
    vandal.refused(f"update model_versions set {column} = %s where id = %s", value, vandal.version)


def test_one_version_of_a_model_is_in_production(vandal: Vandal) -> None:
    vandal.put(vandal.version, "production")
    vandal.put(vandal.stranger, "production")  # another model's
    vandal.put(vandal.sibling, "approved_prod")
    request = vandal.request("promote_production", vandal.sibling)
    vandal.refused(MOVE, "production", request, vandal.sibling, by=errors.UniqueViolation)


def test_one_undecided_request_moves_a_version(vandal: Vandal) -> None:
    vandal.request("submit", vandal.version)
    for status in ("open", "judging", "awaiting_approval"):
        with pytest.raises(errors.UniqueViolation), vandal.connection.transaction():
            vandal.request("retire", vandal.version, status=status)
    vandal.request("evaluate", vandal.version)
    vandal.request("retire", vandal.version, status="denied")


@pytest.mark.parametrize("status", SETTLED)
@pytest.mark.parametrize(
    "change",
    [
        "status = 'open'",
        "status = 'applied', settled_at = now()",
        "outcome = '{}'",
        "evidence = '{}'",
        "evidence_digest = 'sha256:0'",
        "verdicts = '[]'",
        "transition = 'retire'",
        "requester_id = (select id from users where name = 'grace')",
        "reason = 'another'",
        "settled_at = now()",
    ],
)
def test_an_outcome_is_kept(vandal: Vandal, status: str, change: str) -> None:
    request = vandal.request("submit", vandal.version, status=status)
    vandal.refused(f"update transition_requests set {change} where id = %s", request)


@pytest.mark.parametrize("column", ["requester_id", "version_id", "model_id", "transition"])
def test_what_was_asked_and_by_whom_stays(vandal: Vandal, column: str) -> None:
    """Otherwise the requester becomes somebody else, and approves."""
    values = {
        "requester_id": vandal.approver,
        "version_id": vandal.sibling,
        "model_id": vandal.other,
        "transition": "retire",
    }
    request = vandal.request("submit", vandal.version)
    vandal.refused(f"update transition_requests set {column} = %s where id = %s", values[column], request)


def test_an_undecided_request_can_be_settled(vandal: Vandal) -> None:
    request = vandal.request("submit", vandal.version)
    assert vandal.run("update transition_requests set status = 'denied', outcome = '{}' where id = %s", request) == 1


@pytest.mark.parametrize("table", ["model_versions", "transition_requests"])
def test_versions_and_requests_are_kept(vandal: Vandal, table: str) -> None:
    vandal.request("submit", vandal.version)
    vandal.refused(f"delete from {table}")
    vandal.refused(f"truncate {table} cascade")
    for above in ("models", "users"):
        vandal.refused(f"truncate {above} cascade")


APPROVE = """insert into approvals (id, request_id, requester_id, approver_id, decision, comment, evidence_digest,
    created_at) values (gen_random_uuid(), %s, %s, %s, 'approve', '', 'sha256:0', now())"""


def test_nobody_approves_their_own_request(vandal: Vandal) -> None:
    request = vandal.request("approve_staging", vandal.version)
    vandal.refused(APPROVE, request, vandal.requester, vandal.requester)
    # nor by naming another requester
    vandal.refused(APPROVE, request, vandal.approver, vandal.requester)
    # nor by becoming the approver afterwards
    assert vandal.run(APPROVE, request, vandal.requester, vandal.approver) == 1
    vandal.refused("update approvals set approver_id = requester_id")


@pytest.mark.parametrize(
    "statement",
    [
        "insert into lifecycle_edges values ('submit', 'draft', 'production')",
        "update lifecycle_edges set to_state = 'production' where transition = 'submit'",
        "delete from lifecycle_edges",
        "truncate lifecycle_edges",
    ],
)
def test_the_lifecycle_is_fixed(vandal: Vandal, statement: str) -> None:
    vandal.refused(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entries set entry = '{}'",
        "delete from audit_entries",
        "truncate audit_entries",
        "update audit_outbox set entry = '{}'",
        "truncate audit_outbox",
        "delete from audit_head",
        "truncate audit_head",
    ],
)
def test_the_audit_log_only_grows(vandal: Vandal, statement: str) -> None:
    vandal.run("insert into audit_entries (seq, entry, leaf, mac, chain) values (1000000, '{}', '', '', '')")
    vandal.refused(statement, by=errors.RestrictViolation)
    # not even for who switches ordinary triggers off
    vandal.run("set local session_replication_role = replica")
    vandal.refused(statement, by=errors.RestrictViolation)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("models", "risk_tier", "Extreme"),
        ("users", "kind", "robot"),
        ("approvals", "decision", "maybe"),
        ("transition_requests", "status", "done"),
        ("artifacts", "sha256", "../../etc/passwd"),
        ("artifacts", "type", "malware"),
    ],
)
def test_words_that_the_domain_does_not_know(vandal: Vandal, table: str, column: str, value: str) -> None:
    request = vandal.request("approve_staging", vandal.version)
    vandal.run(APPROVE, request, vandal.requester, vandal.approver)
    vandal.run(
        """insert into artifacts (id, version_id, type, name, media_type, uri, sha256, size, created_by, created_at)
           values (gen_random_uuid(), %s, 'weights', 'w', 'x/y', 'u', %s, 1, %s, now())""",
        vandal.version,
        "0" * 64,
        vandal.requester,
    )
    vandal.refused(f"update {table} set {column} = %s", value)
