"""Requests, and what people and time do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from governance.circumstances import Circumstances
from governance.delegations import Delegation
from governance.duties import Involvement
from governance.evidence import Approval, Evidence
from governance.findings import Finding
from governance.freezes import FreezeWindow
from governance.lifecycle import TransitionName
from governance.models import ModelVersion
from governance.overrides import Override
from governance.requests import TransitionRequest
from governance.reviews import Review


class Requests(Protocol):
    def add(self, request: TransitionRequest) -> None:
        """Raises RequestOpen when another undecided request moves the version."""

    def add_unless_moving(self, request: TransitionRequest) -> bool:
        """False when another undecided request moves the version; the transaction goes on."""

    def get(self, request_id: str) -> TransitionRequest: ...
    def lock(self, request_id: str) -> TransitionRequest: ...
    def moving(self, version_id: str) -> TransitionRequest | None:
        """The undecided request that moves the version, locked."""

    def of_flow_run(self, flow_run_id: str) -> TransitionRequest | None: ...
    def launched(self, request_id: str, flow_run_id: str, attempt: int, at: datetime) -> None: ...
    def next_attempt(self, request_id: str, at: datetime) -> int: ...
    def judging(self, request_id: str, flow_run_id: str, at: datetime) -> None: ...
    def awaiting(
        self, request_id: str, evidence: Evidence, verdicts: Sequence[Mapping[str, Any]], at: datetime
    ) -> None: ...
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
        """`judged`: the whole case that was judged, as `Case.to_json` gives it."""

    def latest_evidence(self, version_id: str) -> TransitionRequest | None:
        """The newest request of the version with frozen evidence, whatever became of it."""

    def latest_applied(self, version_id: str, transition: TransitionName) -> TransitionRequest | None: ...
    def last_reviewed(self, version_id: str, transition: TransitionName, before: str) -> TransitionRequest | None:
        """The newest request before this one that people sent back: rejected, or returned with changes to make."""

    def undecided(
        self, *, idle_since: datetime, limit: int, after: TransitionRequest | None
    ) -> tuple[TransitionRequest, ...]:
        """Those untouched since, longest first; `after` continues behind the last one of the page before."""

    def worked_on(self, request_id: str) -> bool:
        """Does a living process hold the lease of this request?"""


class Approvals(Protocol):
    def record(self, approval: Approval, requester_id: str) -> None:
        """Signed. A second decision of the same person about the same digest replaces the first."""

    def of_request(self, request_id: str) -> tuple[Approval, ...]:
        """With the roles, groups and activity that the people have now; `void` where a row is not what was signed."""


class Delegations(Protocol):
    def add(self, delegation: Delegation, at: datetime) -> None: ...
    def get(self, delegation_id: str) -> Delegation:
        """Locked. Raises NotFound."""

    def in_force(self, delegator_id: str, delegate_id: str, at: datetime) -> tuple[Delegation, ...]:
        """Locked, so that none of them is revoked while it is used."""

    def count_of(self, delegator_id: str, at: datetime) -> int:
        """How many of this person's have not ended."""

    def revoke(self, delegation_id: str, by: str, at: datetime) -> bool:
        """False when it was revoked before."""


class Overrides(Protocol):
    def add(self, override: Override) -> None: ...
    def get(self, request_id: str, override_id: str) -> tuple[Override, bool]:
        """(the override, locked; whether it is what was signed). Raises NotFound."""

    def confirm(self, override: Override) -> None: ...
    def waived(self, request_id: str, evidence_digest: str, at: datetime) -> frozenset[tuple[str, int]]:
        """Policies (name, version) whose soft gate is overridden for exactly this evidence at this time."""


class Findings(Protocol):
    def open(
        self,
        finding_id: str,
        version: ModelVersion | None,
        severity: str,
        title: str,
        request_id: str | None,
        at: datetime,
        *,
        kind: str = "manual",
        owner_id: str | None = None,
        opened_by: str | None = None,
        due_at: datetime | None = None,
        blocks: Sequence[str] = (),
        model_wide: bool = False,
    ) -> None:
        """Without `due_at` it is due as its severity says (`governance.findings.due`). version: None for one about the
        platform itself.
        """

    def get(self, finding_id: str) -> Finding:
        """Raises NotFound."""

    def lock(self, finding_id: str) -> Finding: ...
    def change(self, finding: Finding) -> None:
        """Owner, severity, title, due date, and what it blocks."""

    def close(self, finding_id: str, by: str | None, resolution_kind: str, resolution: str, at: datetime) -> None: ...
    def had_a_part(self, finding: Finding) -> frozenset[str]:
        """The people who opened it, asked for what it came out of, or took part in making the version."""


class Freezes(Protocol):
    def hold(self) -> None:
        """No window begins or is lifted until the end of this transaction; others may hold at the same time."""

    def add(self, window: FreezeWindow, by: str, at: datetime) -> None: ...
    def get(self, window_id: str) -> FreezeWindow:
        """Raises NotFound, also for one that was lifted."""

    def lift(self, window_id: str, by: str, at: datetime) -> None: ...


class Reviews(Protocol):
    def plan(self, review_id: str, version: ModelVersion, request_id: str, due_at: datetime, at: datetime) -> None:
        """From now on this is the version's next review; an open one that was planned before is superseded."""

    def open_of(self, version_id: str) -> Review | None:
        """Locked."""

    def complete(self, review_id: str, by: str, comment: str, at: datetime) -> None: ...
    def to_look_at(self, at: datetime, limit: int, after: str | None) -> tuple[str, ...]:
        """Ids of open ones that are due, in the order of ids."""

    def lock(self, review_id: str) -> tuple[Review, bool] | None:
        """With whether the version still is approved for production or in it; None when the review is not open."""

    def overdue(self, review_id: str, finding_id: str) -> None: ...
    def escalated(self, review_id: str, at: datetime) -> None: ...
    def lapse(self, review_id: str) -> None: ...


class Notices(Protocol):
    """What people were told about a request, each kind once."""

    def record(self, request_id: str, kind: str, data: Mapping[str, Any], at: datetime) -> bool:
        """False when it was recorded before. Kinds: "reminded", "escalated", "expired", "superseded",
        "ended" (its run was).
        """

    def unattended(
        self, *, notice_before: datetime, expiry_before: datetime, limit: int, after: str | None
    ) -> tuple[str, ...]:
        """Ids of parked requests, in the order of ids: opened before the second moment, or before the first one and
        not both reminded and escalated.
        """

    def not_ended(self, limit: int) -> tuple[str, ...]:
        """Expired and superseded requests whose run was not told yet."""

    def who_decides(self, request_id: str, groups: Sequence[str] | None) -> tuple[str, ...]:
        """Names of active people who may decide and have not; of members of these groups, or of all with None."""


class SubjectReader(Protocol):
    def subject(self, request: TransitionRequest, transition: TransitionName) -> dict[str, Any]:
        """The subject half of the evidence as it stands in this transaction."""

    def involved(self, request: TransitionRequest) -> tuple[Involvement, ...]:
        """Who took part in making what the request is about, and so cannot decide about it."""

    def group_lines(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Each group with those above it."""

    def circumstances(self, request: TransitionRequest, subject: Mapping[str, Any], at: datetime) -> Circumstances:
        """What binds the request beside its evidence, at that time. `subject`: of its evidence."""
