"""One decision about many requests that change the same: each is checked and recorded by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from governance.errors import GovernanceError, InvalidInput, NotFound, UnlikeChanges
from governance.models import is_id
from governance.operations import reviewing
from governance.operations.calls import Call, IdempotencyKey
from governance.operations.transitions import decide, seen
from governance.ports import UnitOfWork
from governance.requests import TransitionRequest
from governance.reviewing import change_digest

MOST = 100


@dataclass(frozen=True, slots=True)
class Item:
    request_id: str
    evidence_digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """error: None when the decision was recorded about `request`."""

    request_id: str
    request: TransitionRequest | None
    error: GovernanceError | None


def decide_all(
    new_unit: Callable[[], UnitOfWork], call: Call, items: Sequence[Item], *, decision: str, comment: str
) -> list[Outcome]:
    """In the order asked for. What cannot be decided is refused by itself, and holds up nothing else.

    Raises InvalidInput for none, too many or the same request twice, UnlikeChanges when the changes differ: then
    nothing is recorded.
    """
    if not 1 <= len(items) <= MOST:
        raise InvalidInput(f"A batch holds 1 to {MOST} requests.", details={"field": "items"})
    if len({item.request_id.lower() for item in items}) != len(items):
        raise InvalidInput("A batch names each request once.", details={"field": "items"})
    call.may("approval:decide", "Deciding about requests")
    _check_alike(new_unit, call, items)
    return [_decide(new_unit, call, item, decision, comment) for item in items]


def _check_alike(new_unit: Callable[[], UnitOfWork], call: Call, items: Sequence[Item]) -> None:
    """Of those that can be decided at all; the decision binds to the evidence that is looked at here."""
    changes: dict[str, str] = {}
    for item in items:
        if not is_id(item.request_id):
            continue
        with new_unit() as uow:
            try:
                request = seen(uow, call, item.request_id)
            except NotFound:
                continue
            if request.evidence is not None and request.evidence_digest == item.evidence_digest:
                before = reviewing.before(uow, request)
                changes[request.id] = change_digest(before, request.evidence["subject"])
    if len(set(changes.values())) > 1:
        raise UnlikeChanges(
            "These requests do not make the same change; decide about those that do, or about each by itself.",
            details={"requests": [{"requestId": one, "differenceDigest": changes[one]} for one in changes]},
        )


def _decide(new_unit: Callable[[], UnitOfWork], call: Call, item: Item, decision: str, comment: str) -> Outcome:
    key = call.idempotency
    if key is not None:
        fingerprint = f"{key.fingerprint}:{item.request_id}:{item.evidence_digest}"
        call = replace(call, idempotency=IdempotencyKey(f"{key.key}:{item.request_id}", fingerprint))
    try:
        if not is_id(item.request_id):
            raise NotFound("transition request", item.request_id[:200])
        request = decide(
            new_unit(),
            call,
            item.request_id,
            decision=decision,
            comment=comment,
            evidence_digest=item.evidence_digest,
        )
    except InvalidInput:
        raise  # of the decision itself, which is the same for all: nothing was recorded yet
    except GovernanceError as error:
        return Outcome(item.request_id, None, error)
    return Outcome(item.request_id, request, None)
