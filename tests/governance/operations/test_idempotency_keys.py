"""The same key makes one thing however often and however fast; another request under it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from governance.access.principal import Principal
from governance.errors import IdempotencyMismatch, IllegalTransition, InvalidInput
from governance.operations import evaluations, people, registry, settling
from governance.operations.calls import IdempotencyKey
from governance.operations.transitions import OpenRequest, decide, open_request, withdraw
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    at_once,
    carry_out,
    events,
    evidence_of,
    model_with_version,
    parked,
    query,
    stored,
)

__all__ = ["shared_registry"]


def new_model(r: RegistryUnderTest, key: IdempotencyKey, who: Principal | None = None, **changes: Any) -> str:
    values: dict[str, Any] = {"name": f"model-{key.key}", "group": "lab", "description": "", "owners": [], "tags": []}
    new = registry.NewModel(**{**values, "risk_tier": "Low", **changes})
    return registry.create_model(r.unit(), r.call(who or r.dev, idempotency=key), new)


def key_for(*asked: Any) -> IdempotencyKey:
    return IdempotencyKey.of(new_id(), *asked)


def test_sixteen_repeats_at_once_make_one_model(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    key = key_for("a model")
    answers = at_once([partial(new_model, r, key)] * 16)
    assert len(set(answers)) == 1, answers
    assert len(events(r, str(answers[0]))) == 1


def test_sixteen_repeats_at_once_open_one_request(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    key = key_for("submit")
    command = OpenRequest(model, "1.0.0", "submit")

    def ask() -> str:
        return open_request(r.unit(), r.call(r.dev, idempotency=key), command).id

    answers = at_once([ask] * 16)
    assert len(set(answers)) == 1, answers
    assert query(r, "select count(*) from transition_requests where model_id = %s", model) == [(1,)]


def test_a_repeat_answers_with_the_request_as_it_is_now(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    key = key_for("submit")
    command = OpenRequest(model, "1.0.0", "submit")
    first = open_request(r.unit(), r.call(r.dev, idempotency=key), command)
    carry_out(r, first)
    again = open_request(r.unit(), r.call(r.dev, idempotency=key), command)
    assert again == stored(r, first)
    with pytest.raises(IllegalTransition):  # a new key is a new question
        open_request(r.unit(), r.call(r.dev, idempotency=key_for("submit")), command)


def test_another_request_under_the_key_is_refused(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    key = key_for("one")
    model = new_model(r, key)
    before = query(r, "select count(*) from models")
    with pytest.raises(IdempotencyMismatch):
        new_model(r, IdempotencyKey.of(key.key, "another"), name="another")
    assert query(r, "select count(*) from models") == before
    assert new_model(r, key) == model


def test_a_key_belongs_to_its_caller(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    key = key_for("a model")
    assert new_model(r, key, r.dev) != new_model(r, key, r.admin, group="risk")


def test_a_key_is_free_again_when_the_call_failed(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    key = key_for("a model")
    with pytest.raises(InvalidInput):
        new_model(r, key, tags=[""])
    assert query(r, "select 1 from idempotency_keys where key = %s", key.key) == []
    new_model(r, key)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\x00b", "a\nb", "\ud800"])
def test_keys_are_printable(key: str) -> None:
    with pytest.raises(InvalidInput):
        IdempotencyKey.of(key, "anything")


def test_the_fingerprint_is_of_what_was_asked_not_of_its_spelling() -> None:
    assert IdempotencyKey.of("k", {"a": 1, "b": 2}) == IdempotencyKey.of("k", {"b": 2, "a": 1.0})
    assert IdempotencyKey.of("k", {"a": 1}) != IdempotencyKey.of("k", {"a": "1"})


Repeatable = Callable[[RegistryUnderTest, IdempotencyKey], object]


def a_version(r: RegistryUnderTest) -> Repeatable:
    model = r.model()
    new = registry.NewVersion(model, "1.0.0", "0" * 40, None, METADATA)
    return lambda r, key: registry.create_version(r.unit(), r.call(r.dev, idempotency=key), new)


def metadata(r: RegistryUnderTest) -> Repeatable:
    model = r.model()
    r.version(model, weights=None)
    return lambda r, key: registry.update_metadata(
        r.unit(), r.call(r.dev, idempotency=key), model, "1.0.0", {**METADATA, "n": 1}, 1
    )


def artifact(r: RegistryUnderTest) -> Repeatable:
    model = r.model()
    r.version(model, weights=None)
    new = registry.NewArtifact(model, "1.0.0", "config", "c.json", "application/json", "a" * 64, 1, "", None)
    return lambda r, key: registry.attach_artifact(r.unit(), r.call(r.dev, idempotency=key), new)


def dataset(r: RegistryUnderTest) -> Repeatable:
    name = new_id()
    return lambda r, key: evaluations.create_dataset(
        r.unit(), r.call(r.dev, idempotency=key), name=name, group="lab", kind="csv", sha256="a" * 64, size=1
    )


def user(r: RegistryUnderTest) -> Repeatable:
    name = new_id()
    return lambda r, key: people.create_user(r.unit(), r.call(r.admin, idempotency=key), people.NewUser(name))


def decision(r: RegistryUnderTest) -> Repeatable:
    request = parked(r)
    digest = evidence_of(r, request).digest
    return lambda r, key: replace(
        decide(
            r.unit(),
            r.call(r.grace, idempotency=key),
            request.id,
            decision="approve",
            comment="",
            evidence_digest=digest,
        ),
        evidence=None,
    )


def withdrawal(r: RegistryUnderTest) -> Repeatable:
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    return lambda r, key: withdraw(r.unit(), r.call(r.dev, idempotency=key), request.id, "no").id


@pytest.mark.parametrize("prepare", [a_version, metadata, artifact, dataset, user, decision, withdrawal])
def test_every_write_can_be_repeated(
    shared_registry: RegistryUnderTest, prepare: Callable[[RegistryUnderTest], Repeatable]
) -> None:
    r = shared_registry
    do = prepare(r)
    key = key_for("it")
    before = len(events(r))
    answers = at_once([partial(do, r, key)] * 4)
    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    assert all(answer == answers[0] for answer in answers)
    assert len(events(r)) == before + 1
    with pytest.raises(IdempotencyMismatch):
        do(r, IdempotencyKey.of(key.key, "something else"))
    assert len(events(r)) == before + 1


def test_a_repeated_decision_does_not_undo_a_later_one(shared_registry: RegistryUnderTest) -> None:
    """A retry that a proxy delivers late must not turn a rejection back into the approval before it."""
    r = shared_registry
    request = parked(r)
    digest = evidence_of(r, request).digest

    def vote(answer: str, key: IdempotencyKey) -> None:
        decide(
            r.unit(),
            r.call(r.grace, idempotency=key),
            request.id,
            decision=answer,
            comment="because",
            evidence_digest=digest,
        )

    yes, no = key_for("yes"), key_for("no")
    vote("approve", yes)
    vote("reject", no)
    vote("approve", yes)
    assert query(r, "select decision from approvals where request_id = %s", request.id) == [("reject",)]
    assert settling.park(r.unit(), r.call(None), request.id, evidence_of(r, request))[0].outcome == "denied"
