"""Whoever a provider vouches for becomes a user of their own, without privileges, and follows the provider's word."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from governance.access.roles import Role
from governance.errors import AuthenticationFailed
from governance.external_identity import ExternalIdentity
from governance.operations.external_identities import sign_in_external
from governance.people import User
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import NOON, RegistryUnderTest
from tests.governance.operations.situations import events, query

__all__ = ["shared_registry"]

ISSUER = "https://id.example"


def identity(subject: str, **changes: object) -> ExternalIdentity:
    stated = ExternalIdentity(ISSUER, subject, subject, "person", ("risk",), NOON)
    return replace(stated, **changes)  # type: ignore[arg-type]


def sign_in(registry: RegistryUnderTest, stated: ExternalIdentity) -> User:
    return sign_in_external(registry.unit(), registry.call(None), stated)


def test_the_first_sight_makes_a_user_without_privileges(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    user = sign_in(r, identity("first", groups=("risk", "no name!", "data-science", "risk")))
    assert (user.name, user.roles, user.groups) == ("first", frozenset(), ("data-science", "risk"))
    assert user.password_hash is None
    (event,) = events(r, user.id)
    assert (event.action, event.actor.kind) == ("user:provisioned", "system")
    assert event.details["subject"] == "first"


def test_the_pair_of_issuer_and_subject_identifies(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    known = sign_in(r, identity("pair"))
    assert sign_in(r, identity("pair", name="renamed")).id == known.id
    assert sign_in(r, identity("pair", issuer="https://other.example")).id != known.id
    assert sign_in(r, identity("other", name="pair")).id != known.id
    assert len(events(r, known.id)) == 1, "nothing new is nothing to record"


@pytest.mark.parametrize(
    ("wished", "name"),
    [
        ("Ada Lovelace", "Ada-Lovelace"),
        ("Зоя", "person"),
        ("Jürgen", "Jurgen"),
        ("a@b.example", "a-b.example"),
        ("../../etc", "etc"),
        ("--", "person"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_are_made_of_usable_letters(wished: str, name: str) -> None:
    assert identity("s", name=wished).wished_name == name


def test_a_name_that_is_taken_stays_with_its_owner(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    user = sign_in(r, identity("imposter", name=r.admin.name))
    assert user.id != r.admin.id
    assert user.name.startswith(f"{r.admin.name}-")
    assert user.roles == frozenset()


def test_groups_follow_the_newest_word_and_local_ones_stay(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    user = sign_in(r, identity("moving"))
    r.change(user.id, roles=["approver"], in_groups=["local"])
    later = NOON + timedelta(minutes=5)
    moved = sign_in(r, identity("moving", groups=("clinical",), issued_at=later))
    assert (set(moved.groups), moved.roles) == ({"local", "clinical"}, frozenset({Role.APPROVER}))
    assert set(sign_in(r, identity("moving")).groups) == {"local", "clinical"}, "an older token changes nothing"
    gone = sign_in(r, identity("moving", groups=(), issued_at=later + timedelta(seconds=1)))
    assert gone.groups == ("local",)
    assert [event.action for event in events(r, user.id)].count("user:groups:followed") == 2


def test_an_inactive_user_is_refused(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    user = sign_in(r, identity("leaving"))
    r.change(user.id, active=False)
    before = len(events(r, user.id))
    with pytest.raises(AuthenticationFailed, match="not active"):
        sign_in(r, identity("leaving", groups=("clinical",), issued_at=NOON + timedelta(days=1)))
    assert len(events(r, user.id)) == before


def test_many_first_sights_at_once_make_one_user(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    with ThreadPoolExecutor(8) as crowd:
        users = list(crowd.map(lambda _: sign_in(r, identity("crowd")), range(16)))
    assert len({user.id for user in users}) == 1
    assert query(r, "select count(*) from users where name = 'crowd'") == [(1,)]
