"""403 attempts to approve what one may not, in thirteen ways: none is accepted, and settling afterwards shows it.

All are made on the same three requests, one decision short of what their risk tier takes, so that a single one that
counted would move a version. What rows they leave behind stay there for the attempts that follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import IntegrityError

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.canonical import rendered
from governance.errors import GovernanceError
from governance.operations.calls import IdempotencyKey
from governance.operations.delegations import NewDelegation, delegate
from governance.operations.transitions import withdraw
from governance.requests import RequestStatus, TransitionRequest
from governance.signing import DECISION, sealed
from storage.composition import new_id
from storage.signers import FileSigner
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, DEVELOPER, VALIDATOR, RegistryUnderTest
from tests.governance.approvals.deciding import insert_approval, newcomer, settled, vote
from tests.governance.operations.situations import parked, query, stored

__all__ = ["shared_registry"]


@dataclass
class Targets:
    """Each is one decision short. high: two of one group have approved; a validator of another group is missing."""

    r: RegistryUnderTest
    low: TransitionRequest
    medium: TransitionRequest
    high: TransitionRequest
    closed: TransitionRequest

    def all_waiting(self) -> bool:
        return all(settled(self.r, one).kind == "waiting" for one in (self.low, self.medium, self.high))


@pytest.fixture(scope="module")
def targets(shared_registry: RegistryUnderTest) -> Iterator[Targets]:
    r = shared_registry
    r.change(r.dev.id, roles=[*DEVELOPER, *APPROVER], in_groups=r.dev.groups)  # who asked could decide about others
    low, medium, high, closed = (parked(r, risk_tier=tier) for tier in ("Low", "Medium", "High", "Low"))
    r.dev = r.principal(r.dev.id)
    vote(r, medium, r.alan)
    for person in (r.alan, r.grace):
        vote(r, high, person)
    withdraw(r.unit(), r.call(r.dev), closed.id, "Nobody needs it.")
    found = Targets(r, low, medium, high, closed)
    assert found.all_waiting()
    yield found
    # and they could have been approved all along
    for request in (low, medium, high):
        vote(r, request, r.edsger)
        assert settled(r, request).status is RequestStatus.APPLIED


def refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(GovernanceError):
        attempt()


def by_oneself(t: Targets, n: int) -> None:
    request = (t.low, t.medium, t.high)[n % 3]
    decision = ("approve", "approve", "reject")[n % 3]
    refused(lambda: vote(t.r, request, t.r.principal(t.r.dev.id), decision, comment=f"By myself, {n}."))


def duplicate(t: Targets, n: int) -> None:
    vote(t.r, t.medium, t.r.alan, comment=f"Once more, {n}.")


def stale_digest(t: Targets, n: int) -> None:
    digests = (
        "sha256:" + f"{n:064x}",
        t.medium.evidence_digest or "",
        "",
        "sha256:",
        (t.low.evidence_digest or "")[:-1],
    )
    refused(lambda: vote(t.r, t.low, t.r.grace, digest=digests[n % 5]))


def revoked_role(t: Targets, n: int) -> None:
    person = newcomer(t.r, (APPROVER, VALIDATOR)[n % 2])
    before = n % 3 == 0
    if not before:
        vote(t.r, t.low, person)
    t.r.change(person.id, roles=[("viewer", "ml_engineer", "auditor")[n % 3]])
    if before:
        refused(lambda: vote(t.r, t.low, t.r.principal(person.id)))


def replayed(t: Targets, n: int) -> None:
    """Alan's vote on Medium, sent again under the same key, under another, and by somebody who got hold of the key."""
    key = IdempotencyKey.of(f"replay-{n}", "approve", t.medium.id)
    for _ in range(2):
        vote(t.r, t.medium, t.r.alan, comment="Replayed.", idempotency=key)
    vote(t.r, t.medium, t.r.alan, comment="Replayed.", idempotency=IdempotencyKey.of(f"other-{n}", "approve"))
    refused(lambda: vote(t.r, t.medium, newcomer(t.r, DEVELOPER, "lab"), idempotency=key))
    refused(lambda: vote(t.r, t.low, t.r.alan, idempotency=IdempotencyKey.of(f"replay-{n}", "approve", t.low.id)))


def expired_delegation(t: Targets, n: int) -> None:
    r, stand_in = t.r, newcomer(t.r, (Role.VIEWER,), "lab")
    delegate(r.unit(), r.call(r.grace), NewDelegation(stand_in.name, r.at + timedelta(hours=1 + n)))
    r.later(hours=1 + n)
    try:
        refused(lambda: vote(r, t.low, stand_in, on_behalf_of=r.grace.id))
    finally:
        r.later(hours=-1 - n)
        query(r, "update delegations set revoked_at = %s where delegate_id = %s", r.at, stand_in.id)


def delegated_to_oneself(t: Targets, n: int) -> None:
    r = t.r
    person = (r.principal(r.dev.id), r.grace)[n % 2]
    refused(lambda: delegate(r.unit(), r.call(person), NewDelegation(person.name, r.at + timedelta(days=1))))
    refused(lambda: vote(r, t.low, person, on_behalf_of=person.id))
    refused(lambda: vote(r, t.low, r.principal(r.dev.id), on_behalf_of=(r.grace.id, "", new_id(), "x")[n % 4]))


def forged_envelope(t: Targets, n: int) -> None:
    r, person = t.r, newcomer(t.r)
    statement = {
        "approvalId": new_id(),
        "requestId": t.low.id,
        "approverId": person.id,
        "approverName": person.name,
        "decision": "approve",
        "comment": "",
        "evidenceDigest": t.low.evidence_digest,
        "at": rendered(r.at),
        "onBehalfOf": None,
    }
    forged = sealed(FileSigner(Ed25519PrivateKey.generate()), DECISION, statement).to_json()
    if n % 3 == 1:  # the name of our key over the signature of another
        forged["signatures"][0]["keyid"] = next(iter(r.platform.believed_keys))
    if n % 3 == 2:  # our own signature, of another statement
        ((genuine,),) = query(
            r, "select envelope from approvals where request_id = %s and envelope is not null limit 1", t.medium.id
        )
        forged["signatures"] = genuine["signatures"]
    insert_approval(r, t.low, person, json.dumps(forged))


def inserted_row(t: Targets, n: int) -> None:
    r = t.r
    person = (newcomer(r), newcomer(r, VALIDATOR), r.principal(r.dev.id))[n % 3]
    with suppress(IntegrityError):  # the database itself refuses who took part
        insert_approval(r, (t.low, t.medium, t.high)[n % 3 if n % 3 < 2 else 0], person)


def wrong_group(t: Targets, n: int) -> None:
    """More of the same group, validators among them, are no second group."""
    vote(t.r, t.high, newcomer(t.r, (APPROVER, VALIDATOR)[n % 2], "risk"))


def deactivated(t: Targets, n: int) -> None:
    person = newcomer(t.r)
    if n % 2:
        vote(t.r, t.low, person)
    t.r.change(person.id, active=False)
    if not n % 2:
        refused(lambda: call_as_whoever_is_gone(t, person))


def call_as_whoever_is_gone(t: Targets, person: Principal) -> None:
    """Over HTTP their token is refused; here it is the vote that does not count."""
    delegate(t.r.unit(), t.r.call(t.r.grace), NewDelegation(person.name, t.r.at + timedelta(days=1)))


def service_account(t: Targets, n: int) -> None:
    r = t.r
    roles = (APPROVER, VALIDATOR, (Role.CATALOG_ADMIN,))[n % 3]
    owner = (r.grace, r.dev)[n % 2]
    service = newcomer(r, roles, "risk", kind="service", owner=owner.name)
    refused(lambda: vote(r, t.low, service))
    refused(lambda: vote(r, t.low, service, on_behalf_of=r.grace.id))


def after_the_end(t: Targets, n: int) -> None:
    decision = ("approve", "reject", "request_changes")[n % 3]
    refused(lambda: vote(t.r, t.closed, (t.r.grace, t.r.alan, t.r.edsger)[n % 3], decision))
    assert stored(t.r, t.closed).status is RequestStatus.WITHDRAWN


WAYS = (
    by_oneself,
    duplicate,
    stale_digest,
    revoked_role,
    replayed,
    expired_delegation,
    delegated_to_oneself,
    forged_envelope,
    inserted_row,
    wrong_group,
    deactivated,
    service_account,
    after_the_end,
)
EACH, SAMPLE = 31, 5
ATTEMPTS = [
    pytest.param(way, n, id=f"{way.__name__}-{n}", marks=[] if n < SAMPLE else [pytest.mark.prove])
    for way in WAYS
    for n in range(EACH)
]


def test_there_are_as_many_as_are_promised() -> None:
    assert len(ATTEMPTS) >= 400


@pytest.mark.parametrize(("way", "n"), ATTEMPTS)
def test_no_illegitimate_approval_is_accepted(targets: Targets, way: Callable[[Targets, int], None], n: int) -> None:
    way(targets, n)
    assert targets.all_waiting()
