"""Nobody decides about what they took part in, whatever account they use and whenever it became a fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import evaluations, groups, registry
from governance.operations.evaluations import NewSuite
from governance.requests import RequestStatus, TransitionRequest
from storage.composition import new_id
from tests.api.access.world import World
from tests.api.served import data, refusal
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import evidence_of, query, results, stored, suite

# In the same hands, as in a small team.
EVERYTHING = (Role.DATA_SCIENTIST, Role.ML_ENGINEER, Role.APPROVER, Role.VALIDATOR)


def colleague(r: RegistryUnderTest, *in_groups: str) -> Principal:
    """Somebody who could do all of it."""
    return r.person(f"person-{new_id()}", EVERYTHING, *(in_groups or ("lab", "risk")))


def service_of(r: RegistryUnderTest, owner: Principal) -> Principal:
    more: dict[str, Any] = {"kind": "service", "owner": owner.name}
    return r.person(f"service-{new_id()}", EVERYTHING, "lab", "risk", **more)


def attach(r: RegistryUnderTest, model: str, who: Principal) -> None:
    new = registry.NewArtifact(
        model, "1.0.0", "config", "config.json", "application/json", "c" * 64, 2, "", None, replace=False
    )
    registry.attach_artifact(r.unit(), r.call(who), new)


def waiting(
    r: RegistryUnderTest,
    *,
    requester: Principal | None = None,
    author: Principal | None = None,
    uploader: Principal | None = None,
    describer: Principal | None = None,
    trainer: Principal | None = None,
    suite_author: Principal | None = None,
    dataset_author: Principal | None = None,
    risk_tier: str = "Low",
) -> TransitionRequest:
    """A request for staging that waits for people; whoever is not named is dana."""
    model = r.model(risk_tier=risk_tier)
    dataset = evaluations.create_dataset(
        r.unit(), r.call(dataset_author or r.dev), name=f"d-{model}", group="lab", kind="csv", sha256="d" * 64, size=9
    )
    thresholds = {"accuracy": {"min": 0.9}}
    new_suite = NewSuite(
        model, "first", dataset, "binary_classification", "y", None, ["accuracy"], thresholds, 0.02, None
    )
    evaluations.create_suite(r.unit(), r.call(suite_author or r.dev), new_suite)
    trained_by = [trainer.name] if trainer else []
    new = registry.NewVersion(model, "1.0.0", "0" * 40, None, METADATA, trained_by)
    registry.create_version(r.unit(), r.call(author or r.dev), new)
    r.attach(model, "1.0.0", b"weights")
    if uploader:
        attach(r, model, uploader)
    if describer:
        registry.update_metadata(r.unit(), r.call(describer), model, "1.0.0", {**METADATA, "note": "x"}, None)
    for transition in ("submit", "evaluate"):
        request = r.open(model, "1.0.0", transition)
        done = results(r, request) if transition == "evaluate" else ()
        assert r.settle(request, evidence_of(r, request), evaluations=done).status is RequestStatus.APPLIED
    request = r.open(model, "1.0.0", "approve_staging", by=requester)
    r.approve(request)
    return stored(r, request)


def vote(client: httpx.Client, request: TransitionRequest, decision: str = "approve") -> httpx.Response:
    body = {"decision": decision, "evidenceDigest": request.evidence_digest, "comment": "seen"}
    return client.post(f"/api/v1/transition-requests/{request.id}/approvals", json=body)


def votes(r: RegistryUnderTest, request: TransitionRequest) -> int:
    return int(query(r, "select count(*) from approvals where request_id = %s", request.id)[0][0])


@pytest.fixture
def sign_in(world: World) -> Iterator[Callable[[Principal], httpx.Client]]:
    opened: list[httpx.Client] = []

    def new(who: Principal) -> httpx.Client:
        """With a token of its own each time."""
        opened.append(world.api.with_token(world.registry.token(who)[0]))
        return opened[-1]

    yield new
    for client in opened:
        client.close()


SignIn = Callable[[Principal], httpx.Client]

# part -> (code, relation, what the reason says)
PARTS = {
    "requester": ("SELF_APPROVAL", "requester", "asked for this"),
    "author": ("CONFLICT_OF_INTEREST", "author", "wrote version 1.0.0"),
    "uploader": ("CONFLICT_OF_INTEREST", "author", "wrote version 1.0.0"),
    "describer": ("CONFLICT_OF_INTEREST", "author", "wrote version 1.0.0"),
    "trainer": ("CONFLICT_OF_INTEREST", "trainer", "trained version 1.0.0"),
    "suite_author": ("CONFLICT_OF_INTEREST", "evaluation_author", "wrote the evaluation suite first"),
    "dataset_author": ("CONFLICT_OF_INTEREST", "evaluation_author", "made the dataset d-"),
}


@pytest.mark.parametrize("through", ["themselves", "a service account"])
@pytest.mark.parametrize("part", PARTS)
def test_who_took_part_does_not_decide(world: World, sign_in: SignIn, part: str, through: str) -> None:
    """Also not when their service account did it, with no other token, and not by hand-written SQL."""
    r = world.registry
    person = colleague(r)
    acting = service_of(r, person) if through == "a service account" else person
    parts: dict[str, Any] = {part: acting}
    request = waiting(r, **parts)
    code, relation, says = PARTS[part]
    first, second, service = sign_in(person), sign_in(person), sign_in(acting)
    before = world.api.stored()
    for client in (first, second):
        for decision in ("approve", "reject"):
            error = refusal(vote(client, request, decision), 403, code)
            (reason,) = error["details"]["reasons"]
            assert reason["relation"] == relation
            assert reason["fact"].startswith(says)
            assert part == "requester" or reason["fact"] in error["message"]
    if through == "a service account":
        error = refusal(vote(service, request), 403, "FORBIDDEN")
        assert error["details"]["policies"] == ["people-decide"]
    for who in {person.id, acting.id}:
        with pytest.raises(IntegrityError, match=r"nobody decides about|decisions are made by people|not_by_the_reque"):
            insert_vote(r, request, who)
    assert world.api.stored() == before
    assert votes(r, request) == 0


def insert_vote(r: RegistryUnderTest, request: TransitionRequest, who: str) -> None:
    query(
        r,
        """insert into approvals (id, request_id, approver_id, requester_id, decision, comment, evidence_digest,
               created_at) values (%s, %s, %s, %s, 'approve', '', %s, now())""",
        *(new_id(), request.id, who, request.requester_id, request.evidence_digest),
    )


def test_an_unrelated_approver_decides(world: World, sign_in: SignIn) -> None:
    r = world.registry
    involved = [colleague(r) for _ in range(3)]
    request = waiting(r, requester=involved[0], trainer=involved[1], suite_author=involved[2])
    for person in involved:
        assert vote(sign_in(person), request).status_code == 403
    unrelated = colleague(r)
    shown = data(vote(sign_in(unrelated), request), 201)
    assert [(each["approver"], each["counts"]) for each in shown["approvals"]] == [(unrelated.name, True)]
    assert r.settle(request).status is RequestStatus.APPLIED


def test_all_reasons_are_named(world: World, sign_in: SignIn) -> None:
    r = world.registry
    person = colleague(r)
    request = waiting(r, author=person, trainer=person, suite_author=person, dataset_author=person)
    error = refusal(vote(sign_in(person), request), 403, "CONFLICT_OF_INTEREST")
    assert [reason["relation"] for reason in error["details"]["reasons"]] == [
        "author", "evaluation_author", "evaluation_author", "trainer",
    ]  # fmt: skip


# --- the fact comes after the vote ------------------------------------------------------------------------


def became_trainer(r: RegistryUnderTest, request: TransitionRequest, person: Principal) -> None:
    query(r, "insert into contributors values (%s, %s, 'trainer', now())", request.version_id, person.id)


def became_trainer_through_a_service_account(
    r: RegistryUnderTest, request: TransitionRequest, person: Principal
) -> None:
    became_trainer(r, request, service_of(r, person))


def became_suite_author(r: RegistryUnderTest, request: TransitionRequest, person: Principal) -> None:
    query(r, "alter table evaluation_suites disable trigger user")
    query(r, "update evaluation_suites set created_by = %s where model_id = %s", person.id, request.model_id)
    query(r, "alter table evaluation_suites enable trigger user")


@pytest.mark.parametrize(
    "become", [became_trainer, became_trainer_through_a_service_account, became_suite_author], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_vote_from_before_the_fact_does_not_count(
    world: World,
    sign_in: SignIn,
    become: Callable[[RegistryUnderTest, TransitionRequest, Principal], None],
    decision: str,
) -> None:
    r = world.registry
    request, person = waiting(r), colleague(r)
    data(vote(sign_in(person), request, decision), 201)
    become(r, request, person)
    assert r.settle(request).kind == "waiting"
    data(vote(sign_in(colleague(r)), request), 201)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_suite_that_an_approver_writes_after_the_vote_counts_against_it(world: World, sign_in: SignIn) -> None:
    """The new suite changes what is judged, too; the vote is void for both reasons."""
    r = world.registry
    request, person = waiting(r), colleague(r)
    data(vote(sign_in(person), request), 201)
    suite(r, request.model_id, "late")
    assert r.settle(request, evidence_of(r, request)).status is not RequestStatus.APPLIED


# --- groups -----------------------------------------------------------------------------------------------


def test_two_related_groups_are_one_of_a_quorum(world: World, sign_in: SignIn) -> None:
    r = world.registry
    names = [f"g-{new_id()}" for _ in range(3)]
    above, below, apart = names
    groups.create_group(r.unit(), r.call(None), groups.NewGroup(above))
    groups.create_group(r.unit(), r.call(None), groups.NewGroup(below, parent=above))
    groups.create_group(r.unit(), r.call(None), groups.NewGroup(apart))
    request = waiting(r, risk_tier="High")
    for group in (above, below, below):
        data(vote(sign_in(colleague(r, group)), request), 201)
    assert r.settle(request).kind == "waiting"
    data(vote(sign_in(colleague(r, above, below)), request), 201)
    assert r.settle(request).kind == "waiting", "a member of both speaks for one of them"
    data(vote(sign_in(colleague(r, apart)), request), 201)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_one_person_in_two_groups_is_one_voice(world: World, sign_in: SignIn) -> None:
    r = world.registry
    request = waiting(r, risk_tier="High")
    everywhere = colleague(r, "risk", "clinical")
    data(vote(sign_in(everywhere), request), 201)
    data(vote(sign_in(everywhere), request), 201)
    data(vote(sign_in(everywhere), request), 201)
    assert votes(r, request) == 1
    assert r.settle(request).kind == "waiting"
    for group in ("risk", "risk"):
        data(vote(sign_in(colleague(r, group)), request), 201)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_a_group_that_becomes_another_ones_child_after_the_votes_is_no_second_one(
    world: World, sign_in: SignIn
) -> None:
    r = world.registry
    one, other = (f"g-{new_id()}" for _ in range(2))
    ids = {name: groups.create_group(r.unit(), r.call(None), groups.NewGroup(name)) for name in (one, other)}
    request = waiting(r, risk_tier="High")
    for group in (one, one, other):
        data(vote(sign_in(colleague(r, group)), request), 201)
    groups.change_group(r.unit(), r.call(r.admin), ids[other], groups.NewGroup("", parent=one))
    assert r.settle(request).kind == "waiting"
    groups.change_group(r.unit(), r.call(r.admin), ids[other], groups.NewGroup("", parent=""))
    assert r.settle(request).status is RequestStatus.APPLIED


def test_votes_cannot_be_moved_to_somebody_else_by_sql(world: World, sign_in: SignIn) -> None:
    r = world.registry
    person = colleague(r)
    request = waiting(r, trainer=person)
    data(vote(sign_in(colleague(r)), request), 201)
    with pytest.raises((IntegrityError, psycopg.Error)):
        query(r, "update approvals set approver_id = %s where request_id = %s", person.id, request.id)
