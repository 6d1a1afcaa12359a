"""Opening, assigning and closing findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from governance import events
from governance.access.reach import everywhere
from governance.canonical import rendered
from governance.errors import Conflict, ConflictOfInterest, Forbidden, InvalidInput, NotFound
from governance.findings import (
    OF_SOMEBODY,
    RESOLUTIONS,
    SEVERE,
    SEVERITIES,
    Finding,
    checked_blocks,
    checked_severity,
    due,
)
from governance.models import ModelVersion, checked_text
from governance.operations.calls import Call
from governance.ports import UnitOfWork

SHORTEST_RESOLUTION = 10  # characters
WATCHING = "monitoring:read"  # by which one sees findings that are about no model


@dataclass(frozen=True, slots=True)
class NewFinding:
    """owner: name or id of who looks at it. due_at: None for what the severity gives."""

    model_id: str
    version: str
    severity: str
    title: str
    owner: str | None = None
    due_at: datetime | None = None
    blocks: Sequence[str] = ()
    model_wide: bool = False


@dataclass(frozen=True, slots=True)
class FindingChange:
    """None leaves a part as it is."""

    owner: str | None = None
    severity: str | None = None
    title: str | None = None
    due_at: datetime | None = None
    blocks: Sequence[str] | None = None


def open_finding(uow: UnitOfWork, call: Call, new: NewFinding) -> str:
    """The id of the finding. It holds back what it blocks from the end of this transaction on.

    Raises NotFound, Forbidden, InvalidInput.
    """
    doing = "Opening a finding"
    person = call.may("finding:create", doing)
    with uow:
        known = call.repeated(uow)
        rule = uow.access.of_model(new.model_id)
        call.may_with("model", new.model_id, rule, "finding:create", doing)
        if known:
            return known
        title = _title(new.title)
        found = uow.versions.get(new.model_id, new.version)
        # A settlement holds the version: either it sees the finding, or it was there before it.
        version = uow.versions.lock(found.id)[found.id]
        finding_id = opened(
            uow,
            call,
            version,
            kind="manual",
            severity=checked_severity(new.severity),
            title=title,
            owner_id=_owner(uow, new.owner),
            opened_by=person.id,
            due_at=_future(call, new.due_at),
            blocks=checked_blocks(new.blocks),
            model_wide=new.model_wide,
        )
        call.remember(uow, finding_id)
        uow.commit()
    return finding_id


def opened(
    uow: UnitOfWork,
    call: Call,
    version: ModelVersion | None,
    *,
    kind: str,
    severity: str,
    title: str,
    request_id: str | None = None,
    owner_id: str | None = None,
    opened_by: str | None = None,
    due_at: datetime | None = None,
    blocks: Sequence[str] = (),
    model_wide: bool = False,
) -> str:
    """Open a finding in the caller's transaction: recorded, audited, told. version: None for the platform itself."""
    finding_id = call.new_id()
    due_at = due_at or due(severity, call.at)
    uow.findings.open(
        finding_id,
        version,
        severity,
        title,
        request_id,
        call.at,
        kind=kind,
        owner_id=owner_id,
        opened_by=opened_by,
        due_at=due_at,
        blocks=blocks,
        model_wide=model_wide,
    )
    after: dict[str, Any] = {
        "title": title,
        "versionId": version.id if version else None,
        "kind": kind,
        "severity": severity,
        "ownerId": owner_id,
        "dueAt": rendered(due_at),
        "blocks": list(blocks),
        "modelWide": model_wide,
    }
    uow.audit(call.event("finding:opened", "finding", finding_id, after=after, fromRequest=request_id))
    call.tell(uow, events.FINDING_OPENED, ("finding", finding_id), version.model_id if version else None, **after)
    return finding_id


def change_finding(uow: UnitOfWork, call: Call, finding_id: str, wanted: FindingChange) -> None:
    """Assign it, or judge it anew. Raises NotFound, Forbidden, Conflict (it is closed), InvalidInput."""
    with uow:
        before = _open_one(uow, call, finding_id, "Changing a finding")
        after = replace(
            before,
            owner_id=_owner(uow, wanted.owner) if wanted.owner is not None else before.owner_id,
            severity=checked_severity(wanted.severity) if wanted.severity is not None else before.severity,
            title=_title(wanted.title) if wanted.title is not None else before.title,
            due_at=_future(call, wanted.due_at) if wanted.due_at is not None else before.due_at,
            blocks=checked_blocks(wanted.blocks) if wanted.blocks is not None else before.blocks,
        )
        milder = SEVERITIES.index(after.severity) < SEVERITIES.index(before.severity)
        later = before.due_at is not None and after.due_at is not None and after.due_at > before.due_at
        if milder or later or not set(before.blocks) <= set(after.blocks):
            _check_second_person(uow, call, before, "makes it milder")
        if after == before:
            return
        uow.findings.change(after)
        uow.audit(call.event("finding:changed", "finding", finding_id, before=before.to_json(), after=after.to_json()))
        call.tell(uow, events.FINDING_CHANGED, ("finding", finding_id), before.model_id, **after.to_json())
        uow.commit()


def close_finding(uow: UnitOfWork, call: Call, finding_id: str, *, kind: str, resolution: str) -> None:
    """Say how it ended: "fixed", "accepted" or "false_positive". What it held back may go on.

    Raises NotFound, Forbidden, ConflictOfInterest (a second person has to), Conflict (it is closed), InvalidInput.
    """
    if kind not in RESOLUTIONS:
        raise InvalidInput(f"resolutionKind is among {', '.join(RESOLUTIONS)}.", details={"field": "resolutionKind"})
    text = checked_text("resolution", resolution, limit=2_000).strip()
    if len(text) < SHORTEST_RESOLUTION:
        raise InvalidInput(
            f"A finding is closed with a resolution of at least {SHORTEST_RESOLUTION} characters.",
            details={"field": "resolution"},
        )
    with uow:
        if call.repeated(uow):
            return
        finding = _open_one(uow, call, finding_id, "Closing a finding")
        if kind != "fixed" or finding.kind in OF_SOMEBODY:  # what somebody brought about is not mended by their word
            _check_second_person(uow, call, finding, "closes it like that")
        closed(uow, call, finding, kind, text)
        call.remember(uow, finding_id)
        uow.commit()


def closed(uow: UnitOfWork, call: Call, finding: Finding, kind: str, resolution: str) -> None:
    """Close a finding in the caller's transaction: recorded, audited, told."""
    by = call.principal.id if call.principal else None
    uow.findings.close(finding.id, by, kind, resolution, call.at)
    after = {"status": "closed", "resolutionKind": kind, "resolution": resolution}
    uow.audit(call.event("finding:closed", "finding", finding.id, before=finding.to_json(), after=after))
    call.tell(uow, events.FINDING_CLOSED, ("finding", finding.id), finding.model_id, **after)


def _open_one(uow: UnitOfWork, call: Call, finding_id: str, doing: str) -> Finding:
    finding = uow.findings.lock(finding_id)
    if finding.model_id is None:
        _check_platform(call, finding_id, doing)
    else:
        rule = uow.access.of_model(finding.model_id)
        call.may_with("finding", finding_id, rule, "finding:update", doing)
    if finding.status != "open":
        raise Conflict("This finding is closed already.", details={"status": finding.status})
    return finding


def _check_platform(call: Call, finding_id: str, doing: str) -> None:
    """What is about no model belongs to no group: it takes the permission by a role. Raises NotFound, Forbidden."""
    person = call.person
    if everywhere(person, "finding:update"):
        return
    if not everywhere(person, WATCHING):
        raise NotFound("finding", finding_id)
    raise Forbidden(
        f"{doing} that is about the platform is not allowed for {person.name}: it takes finding:update by a role, "
        "acting for all groups.",
        details={"permission": "finding:update"},
    )


def _check_second_person(uow: UnitOfWork, call: Call, finding: Finding, what: str) -> None:
    person = call.person
    takes_two = finding.severity in SEVERE or finding.kind in OF_SOMEBODY
    if takes_two and person.answers_as in uow.findings.had_a_part(finding):
        raise ConflictOfInterest(
            f"This finding (severity {finding.severity}) takes a second person: nobody "
            f"who opened it, caused it or made the version {what}.",
            details={"severity": finding.severity},
        )


def _title(text: str) -> str:
    title = checked_text("title", text, limit=500).strip()
    if not title:
        raise InvalidInput("A finding needs a title.", details={"field": "title"})
    return title


def _owner(uow: UnitOfWork, name_or_id: str | None) -> str | None:
    if name_or_id is None:
        return None
    user = uow.people.find(checked_text("owner", name_or_id, limit=200))
    if user is None or not user.active:
        raise InvalidInput("There is no active user of that name to own the finding.", details={"field": "owner"})
    return user.id


def _future(call: Call, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None or moment <= call.at:
        raise InvalidInput("dueAt is a time to come, with its offset from UTC.", details={"field": "dueAt"})
    return moment
