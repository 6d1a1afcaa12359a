"""Transition requests and the decisions of people about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Update,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy import insert as plain_insert
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.errors import NotFound, RequestOpen
from governance.evidence import Approval, Evidence
from governance.lifecycle import TransitionName
from governance.requests import UNDECIDED, RequestStatus, TransitionRequest
from governance.signed_decisions import Seals
from storage.leases import lease_key
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import approvals, requests

# Literals, as in the conditions of the indexes, so that PostgreSQL sees that these apply.
_UNDECIDED = requests.c.status.in_([literal_column(f"'{status.value}'") for status in sorted(UNDECIDED)])

# Statements are built once: what SQLAlchemy does to build one costs more than to run it.
_BY_ID = select(requests).where(requests.c.id == bindparam("request_id"))
_LOCK = _BY_ID.with_for_update()
_OF_FLOW_RUN = select(requests).where(requests.c.flow_run_id == bindparam("run_id"))
_UPDATE = update(requests).where(requests.c.id == bindparam("request_id"), _UNDECIDED)  # sets the columns it is given
_UPDATE_ATTEMPT = _UPDATE.where(requests.c.attempt == bindparam("of_attempt"))
_NEXT_ATTEMPT = _UPDATE.values(attempt=requests.c.attempt + 1)
_LATEST_APPLIED = (
    select(requests)
    .where(
        requests.c.version_id == bindparam("of_version"),
        requests.c.transition == bindparam("by_transition"),
        requests.c.status == RequestStatus.APPLIED.value,
    )
    .order_by(requests.c.id.desc())
    .limit(1)
)
_LATEST_EVIDENCE = (
    select(requests)
    .where(requests.c.version_id == bindparam("of_version"), requests.c.evidence.is_not(None))
    .order_by(requests.c.id.desc())
    .limit(1)
)
_LAST_REVIEWED = (
    select(requests)
    .where(
        requests.c.version_id == bindparam("of_version"),
        requests.c.transition == bindparam("by_transition"),
        requests.c.id < bindparam("before"),
        requests.c.status == RequestStatus.DENIED.value,
        requests.c.evidence.is_not(None),
        select(approvals.c.id)
        .where(
            approvals.c.request_id == requests.c.id,
            approvals.c.evidence_digest == requests.c.evidence_digest,
            approvals.c.decision != "approve",
        )
        .exists(),
    )
    .order_by(requests.c.id.desc())
    .limit(1)
)
# A decision for somebody else is made with that person's roles and groups; the delegation must have held then, and not
# have been taken back since.
_DECISIONS = sql("""
    select a.id, a.request_id, a.approver_id, a.decision, a.comment, a.evidence_digest, a.created_at, a.envelope,
           a.on_behalf_of, u.name, behind.name as behind_name, coalesce(behind.roles, u.roles) as roles,
           coalesce(behind.groups, u.groups) as groups, u.active and coalesce(behind.active, true) as active,
           a.on_behalf_of is null or exists (
               select 1 from delegations d
               where d.delegator_id = a.on_behalf_of and d.delegate_id = a.approver_id and d.revoked_at is null
                 and a.created_at >= d.starts_at and a.created_at < d.ends_at
                 and (d.transitions = '{}' or r.transition = any(d.transitions))
                 and (d.groups = '{}' or m."group" = any(d.groups))
                 and (d.risk_tiers = '{}' or m.risk_tier = any(d.risk_tiers))) as delegated
    from approvals a
    join users u on u.id = a.approver_id
    left join users behind on behind.id = a.on_behalf_of
    join transition_requests r on r.id = a.request_id
    join models m on m.id = r.model_id
    where a.request_id = :about_request
    order by a.created_at, a.id
""")


class RequestRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, request: TransitionRequest) -> None:
        refusal = RequestOpen(
            "Another request is moving this version; wait for its outcome or withdraw it.",
            details={"versionId": request.version_id},
        )
        with refusing_duplicates(refusal):
            self._connection.execute(plain_insert(requests).values(_columns(request)))

    def add_unless_moving(self, request: TransitionRequest) -> bool:
        statement = upsert(requests).values(_columns(request)).on_conflict_do_nothing().returning(requests.c.id)
        return self._connection.execute(statement).one_or_none() is not None

    def get(self, request_id: str) -> TransitionRequest:
        return self._one(request_id, lock=False)

    def lock(self, request_id: str) -> TransitionRequest:
        return self._one(request_id, lock=True)

    def _one(self, request_id: str, *, lock: bool) -> TransitionRequest:
        row = self._connection.execute(_LOCK if lock else _BY_ID, {"request_id": request_id}).one_or_none()
        if row is None:
            raise NotFound("transition request", request_id)
        return _request(row)

    def moving(self, version_id: str) -> TransitionRequest | None:
        moves = requests.c.transition != TransitionName.EVALUATE.value
        query = select(requests).where(requests.c.version_id == version_id, _UNDECIDED, moves).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return _request(row) if row else None

    def of_flow_run(self, flow_run_id: str) -> TransitionRequest | None:
        row = self._connection.execute(_OF_FLOW_RUN, {"run_id": flow_run_id}).one_or_none()
        return _request(row) if row else None

    def launched(self, request_id: str, flow_run_id: str, attempt: int, at: datetime) -> None:
        self._set(_UPDATE_ATTEMPT, request_id, at, of_attempt=attempt, flow_run_id=flow_run_id, launched_at=at)

    def next_attempt(self, request_id: str, at: datetime) -> int:
        self._set(_NEXT_ATTEMPT, request_id, at, flow_run_id=None, status=RequestStatus.OPEN.value)
        return self.get(request_id).attempt

    def judging(self, request_id: str, flow_run_id: str, at: datetime) -> None:
        self._set(_UPDATE, request_id, at, status=RequestStatus.JUDGING.value, flow_run_id=flow_run_id)

    def awaiting(
        self, request_id: str, evidence: Evidence, verdicts: Sequence[Mapping[str, Any]], at: datetime
    ) -> None:
        status = RequestStatus.AWAITING_APPROVAL.value
        self._set(_UPDATE, request_id, at, status=status, **_frozen(evidence, verdicts))

    def settle(
        self,
        request_id: str,
        status: str,
        outcome: Mapping[str, Any],
        evidence: Evidence | None,
        verdicts: Sequence[Mapping[str, Any]] | None,
        at: datetime,
        judged: Mapping[str, Any] | None = None,
    ) -> None:
        frozen = _frozen(evidence, verdicts or ()) if evidence is not None else {}
        values = {"status": RequestStatus(status).value, "outcome": dict(outcome), "settled_at": at}
        if judged is not None:
            # the evidence has a column of its own, and is the larger part
            values["judged_case"] = {name: value for name, value in judged.items() if name != "evidence"}
        self._set(_UPDATE, request_id, at, **values, **frozen)

    def latest_evidence(self, version_id: str) -> TransitionRequest | None:
        row = self._connection.execute(_LATEST_EVIDENCE, {"of_version": version_id}).one_or_none()
        return _request(row) if row else None

    def latest_applied(self, version_id: str, transition: TransitionName) -> TransitionRequest | None:
        asked = {"of_version": version_id, "by_transition": transition.value}
        row = self._connection.execute(_LATEST_APPLIED, asked).one_or_none()
        return _request(row) if row else None

    def last_reviewed(self, version_id: str, transition: TransitionName, before: str) -> TransitionRequest | None:
        asked = {"of_version": version_id, "by_transition": transition.value, "before": before}
        row = self._connection.execute(_LAST_REVIEWED, asked).one_or_none()
        return _request(row) if row else None

    def undecided(
        self, *, idle_since: datetime, limit: int, after: TransitionRequest | None
    ) -> tuple[TransitionRequest, ...]:
        place = tuple_(requests.c.updated_at, requests.c.id)
        query = select(requests).where(_UNDECIDED, requests.c.updated_at <= idle_since)
        if after is not None:
            query = query.where(place > tuple_(literal(after.updated_at), literal(after.id, requests.c.id.type)))
        query = query.order_by(requests.c.updated_at, requests.c.id).limit(limit)
        return tuple(_request(row) for row in self._connection.execute(query))

    def worked_on(self, request_id: str) -> bool:
        free = self._connection.execute(select(func.pg_try_advisory_xact_lock(lease_key(request_id)))).scalar_one()
        return not free

    def _set(self, statement: Update, request_id: str, at: datetime, **values: Any) -> None:
        self._connection.execute(statement, {"request_id": request_id, "updated_at": at, **values})


def _columns(request: TransitionRequest) -> dict[str, Any]:
    """Of a new one."""
    return {
        "id": request.id,
        "model_id": request.model_id,
        "version_id": request.version_id,
        "transition": request.transition.value,
        "status": request.status.value,
        "requester_id": request.requester_id,
        "reason": request.reason,
        "attempt": request.attempt,
        "break_glass": request.break_glass,
        "created_at": request.created_at,
        "updated_at": request.updated_at,
    }


class ApprovalRepository:
    """Signs what it records, and says of what it reads whether it is what was signed."""

    def __init__(self, connection: Connection, seals: Seals) -> None:
        self._connection = connection
        self._seals = seals

    def record(self, approval: Approval, requester_id: str) -> None:
        statement = insert(approvals).values(
            id=approval.id,
            request_id=approval.request_id,
            requester_id=requester_id,
            approver_id=approval.approver_id,
            decision=approval.decision,
            comment=approval.comment,
            evidence_digest=approval.evidence_digest,
            created_at=approval.at,
            envelope=self._seals.decision(approval),
            on_behalf_of=approval.on_behalf_of,
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["request_id", "approver_id", "evidence_digest"],
                set_={
                    "id": statement.excluded.id,
                    "decision": statement.excluded.decision,
                    "comment": statement.excluded.comment,
                    "created_at": statement.excluded.created_at,
                    "envelope": statement.excluded.envelope,
                    "on_behalf_of": statement.excluded.on_behalf_of,
                },
            )
        )

    def of_request(self, request_id: str) -> tuple[Approval, ...]:
        rows = self._connection.execute(_DECISIONS, {"about_request": request_id})
        return tuple(self._approval(row) for row in rows)

    def _approval(self, row: Row[Any]) -> Approval:
        behind = str(row.on_behalf_of) if row.on_behalf_of is not None else None
        found = Approval(
            id=str(row.id),
            request_id=str(row.request_id),
            approver_id=str(row.approver_id),
            approver_name=row.name,
            decision=row.decision,
            comment=row.comment,
            evidence_digest=row.evidence_digest,
            at=row.created_at,
            roles=tuple(row.roles),
            groups=tuple(row.groups),
            active=row.active,
            on_behalf_of=behind,
            on_behalf_of_name=row.behind_name,
        )
        if not self._seals.holds_decision(found, row.envelope):
            return replace(found, void=f"A decision of {found.who} is not signed by this platform and is not counted.")
        if not row.delegated:
            return replace(found, void=f"The decision of {found.who} is not counted: the delegation was taken back.")
        return found


def _frozen(evidence: Evidence, verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "evidence": evidence.to_json(),
        "evidence_digest": evidence.digest,
        "subject_digest": evidence.subject_digest,
        "verdicts": list(verdicts),
    }


def _request(row: Row[Any]) -> TransitionRequest:
    return TransitionRequest(
        id=row.id,
        model_id=row.model_id,
        version_id=row.version_id,
        transition=TransitionName(row.transition),
        status=RequestStatus(row.status),
        requester_id=row.requester_id,
        reason=row.reason,
        attempt=row.attempt,
        flow_run_id=row.flow_run_id,
        evidence=row.evidence,
        evidence_digest=row.evidence_digest,
        outcome=row.outcome,
        created_at=row.created_at,
        updated_at=row.updated_at,
        break_glass=row.break_glass,
    )
