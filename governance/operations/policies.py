"""Policies as data: drafting, proposing a change, and the second person's decision about it.

What is proposed changes nothing. What is approved is in force from the commit on, and approvals of transitions that
were given under the version before no longer bind, since the evidence holds the whole definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.audit.event import AuditEvent
from governance.audit.merkle import leaf_hash
from governance.canonical import canonical_bytes
from governance.errors import (
    ApprovalInvalidated,
    Conflict,
    Duplicate,
    InvalidInput,
    NotFound,
    PolicyRequired,
    RequestClosed,
    SelfApproval,
)
from governance.models import checked_text
from governance.operations.calls import Call
from governance.policies import BY_NAME, ActivePolicy, Policy, build_policy
from governance.policy_changes import (
    ACTIVATING,
    MOST_POLICIES,
    REQUIRED,
    Action,
    PolicyChange,
    PolicyState,
    PolicyVersion,
    policy_id,
    uncovered,
)
from governance.policy_definitions import LARGEST_DEFINITION, draft_of
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class Proposed:
    """change_id None: only a draft was written, which nobody has to decide about."""

    policy: str
    change_id: str | None


def resolve(uow: UnitOfWork, name_or_id: str) -> tuple[PolicyVersion, ...]:
    """The versions of a policy by its name or its id, oldest first. Raises NotFound."""
    found = uow.policies.versions(name_or_id)
    if not found:
        found = next((one for one in uow.policies.every() if policy_id(one[0].name) == name_or_id.lower()), ())
    if not found:
        raise NotFound("policy", name_or_id[:200])
    return found


def create(
    uow: UnitOfWork, call: Call, definition: Mapping[str, Any], *, reason: str = "", draft: bool = False
) -> Proposed:
    """Write a new policy, and propose it unless it is only a draft. Raises InvalidInput, Duplicate, Forbidden."""
    call.may("policy:update", "Writing a policy")
    policy = draft_of(definition)
    with uow:
        uow.policies.lock()
        known = call.repeated(uow)
        if known:
            return _repeated(policy.name, known)
        if uow.policies.versions(policy.name):
            raise Duplicate(
                f"There is a policy {policy.name!r} already; a change of it is a new version (PUT). Names of retired "
                "policies are not given again.",
                details={"policy": policy.name},
            )
        if sum(one[-1].state is not PolicyState.RETIRED for one in uow.policies.every()) >= MOST_POLICIES:
            raise Conflict(f"There are {MOST_POLICIES} policies; retire one first.")
        made = _write(uow, call, policy, definition["samples"], draft=draft)
        return _finish(uow, call, Action.CREATE, made, None, reason, draft=draft)


def change(
    uow: UnitOfWork,
    call: Call,
    name_or_id: str,
    *,
    definition: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    draft: bool = False,
) -> Proposed:
    """A new version: `parameters` of a built-in policy, or a whole `definition` of a written one.

    Raises NotFound, InvalidInput, Forbidden, Conflict (nothing would change, retired, or another change is pending).
    """
    call.may("policy:update", "Changing a policy")
    with uow:
        uow.policies.lock()
        versions = resolve(uow, name_or_id)
        name = versions[-1].name
        known = call.repeated(uow)
        if known:
            return _repeated(name, known)
        policy: Policy
        samples: Mapping[str, Any] | None = None
        if name in BY_NAME:
            if parameters is None or definition is not None:
                problem = f"{name!r} is built in; its parameters can be changed."
                raise InvalidInput(problem, details={"field": "parameters"})
            policy = build_policy(BY_NAME[name], parameters)
        else:
            if definition is None or parameters is not None:
                raise InvalidInput(f"{name!r} is changed by a whole definition.", details={"field": "rules"})
            policy = draft_of({**definition, "name": name})
            samples = definition["samples"]
        _check_alive(versions)
        _check_no_other(uow, name)
        active = _in_force(versions)
        newest = versions[-1]
        if newest.state in (PolicyState.ACTIVE, PolicyState.DRAFT) and (
            newest.active.policy.definition() == policy.definition() and newest.samples == samples
        ):
            raise Conflict("This is what the policy says already.", details={"version": newest.version})
        made = _write(uow, call, policy, samples, draft=draft)
        return _finish(uow, call, Action.UPDATE, made, active, reason, draft=draft)


def enable(uow: UnitOfWork, call: Call, name_or_id: str, *, reason: str = "") -> Proposed:
    """Propose that the newest draft, or what was disabled, comes into force. Raises as `change`."""
    call.may("policy:update", "Enabling a policy")
    with uow:
        uow.policies.lock()
        versions = resolve(uow, name_or_id)
        if known := call.repeated(uow):
            return _repeated(versions[-1].name, known)
        _check_alive(versions)
        _check_no_other(uow, versions[-1].name)
        ready = [one for one in versions if one.state in (PolicyState.DRAFT, PolicyState.DISABLED)]
        if not ready:
            raise Conflict("The policy is in force already, and has no draft.", details={"policy": versions[-1].name})
        chosen = ready[-1]
        if chosen.state is PolicyState.DRAFT:
            uow.policies.set_state(chosen.name, chosen.version, PolicyState.PROPOSED)
        return _finish(uow, call, Action.ENABLE, chosen.active, _in_force(versions), reason)


def disable(uow: UnitOfWork, call: Call, name_or_id: str, *, reason: str = "") -> Proposed:
    """Propose that it judges no longer, for now. Raises as `change`, and PolicyRequired."""
    return _end(uow, call, name_or_id, Action.DISABLE, reason)


def retire(uow: UnitOfWork, call: Call, name_or_id: str, *, reason: str = "") -> Proposed:
    """Propose that it ends for ever; its versions stay readable. Raises as `change`, and PolicyRequired."""
    return _end(uow, call, name_or_id, Action.RETIRE, reason)


def _end(uow: UnitOfWork, call: Call, name_or_id: str, action: Action, reason: str) -> Proposed:
    call.may("policy:update", "Disabling a policy" if action is Action.DISABLE else "Retiring a policy")
    with uow:
        uow.policies.lock()
        versions = resolve(uow, name_or_id)
        name = versions[-1].name
        if known := call.repeated(uow):
            return _repeated(name, known)
        _check_alive(versions)
        if name in REQUIRED:
            raise PolicyRequired(
                f"{name!r} is what every other judgement stands on; it can be changed, not taken away.",
                details={"policy": name, "required": sorted(REQUIRED)},
            )
        _check_no_other(uow, name)
        active = _in_force(versions)
        if active is None and action is Action.DISABLE:
            raise Conflict("The policy is not in force.", details={"policy": name})
        uow.policies.keep_shipped(name, call.at)
        _check_covered(uow, name, None)
        chosen = active or versions[-1].active
        return _finish(uow, call, action, chosen, active, reason)


def decide(
    uow: UnitOfWork, call: Call, change_id: str, *, decision: str, digest: str, comment: str = ""
) -> PolicyChange:
    """The second person's "approve" or "reject" of exactly the change with this digest.

    Raises NotFound, Forbidden, SelfApproval, RequestClosed, InvalidInput, PolicyRequired, and ApprovalInvalidated when
    the digest is of something else, or what is in force is not what it was. Who proposed may reject: a withdrawal.
    """
    comment = checked_text("comment", comment, limit=2_000).strip()
    if decision == "reject" and not comment:
        raise InvalidInput("A rejection needs a comment that says why.", details={"field": "comment"})
    with uow:
        uow.policies.lock()
        found = uow.policies.change(change_id)
        if call.repeated(uow):
            return found
        person = call.person
        own = person.answers_as == found.proposed_behind
        call.may("policy:approve", "Deciding about a change of a policy")
        if found.state != "pending":
            raise RequestClosed(f"This change is {found.state} already.", details={"state": found.state})
        if own and decision == "approve":
            raise SelfApproval(
                "A change of a policy takes a second person; this is your own proposal.",
                details={"proposedBy": found.proposed_by},
            )
        if digest != found.digest:
            raise ApprovalInvalidated(
                "This decision is about something else than the change holds; read it again.",
                details={"given": digest[:200], "current": found.digest},
            )
        if decision == "approve":
            _carry_out(uow, found)
        else:
            _take_back(uow, found)
        state = "approved" if decision == "approve" else "rejected"
        event = call.event(
            f"policy:change:{state}",
            "policy",
            found.policy,
            before=found.before,
            after=found.after if state == "approved" else found.before,
            digest=found.digest,
            changeId=found.id,
            change=found.action.value,
            version=found.version,
            proposedBy=found.proposed_by,
            comment=comment or None,
        )
        uow.policies.decide_change(found.id, state, person.id, person.answers_as, comment, call.at, _leaf(event))
        call.remember(uow, found.id)
        uow.audit(event)
        uow.commit()
    return found


def _carry_out(uow: UnitOfWork, found: PolicyChange) -> None:
    versions = resolve(uow, found.policy)
    active = _in_force(versions)
    if (active.to_json() if active else None) != found.before:
        raise ApprovalInvalidated(
            "What is in force is not what it was when this was proposed; propose it again.",
            details={"policy": found.policy},
        )
    chosen = next(one for one in versions if one.version == found.version)
    after = chosen.active if found.action in ACTIVATING else None
    if after is not None and chosen.samples is not None:
        draft_of({**chosen.active.policy.definition(), "samples": chosen.samples})  # once more, with what runs now
    _check_covered(uow, found.policy, after)
    if found.action is Action.DISABLE:
        uow.policies.set_state(found.policy, found.version, PolicyState.DISABLED)
        return
    for one in versions:
        if one.version != found.version and one.state is not PolicyState.SUPERSEDED:
            uow.policies.set_state(found.policy, one.version, PolicyState.SUPERSEDED)
    ends_as = PolicyState.RETIRED if found.action is Action.RETIRE else PolicyState.ACTIVE
    uow.policies.set_state(found.policy, found.version, ends_as)


def _take_back(uow: UnitOfWork, found: PolicyChange) -> None:
    chosen = next(one for one in resolve(uow, found.policy) if one.version == found.version)
    if chosen.state is PolicyState.PROPOSED:
        uow.policies.set_state(found.policy, found.version, PolicyState.DRAFT)


def _write(
    uow: UnitOfWork, call: Call, policy: Policy, samples: Mapping[str, Any] | None, *, draft: bool
) -> ActivePolicy:
    definition = policy.definition()
    if len(canonical_bytes({"definition": definition, "samples": samples})) > LARGEST_DEFINITION:
        raise InvalidInput(f"A policy has at most {LARGEST_DEFINITION:,} bytes with its samples.")
    state = PolicyState.DRAFT if draft else PolicyState.PROPOSED
    return uow.policies.add_version(policy.name, definition, samples, state, call.person.id, call.at)


def _finish(
    uow: UnitOfWork,
    call: Call,
    action: Action,
    chosen: ActivePolicy,
    active: ActivePolicy | None,
    reason: str,
    *,
    draft: bool = False,
) -> Proposed:
    """Record the change that waits for a second person, or the draft that waits for nobody."""
    name, person = chosen.policy.name, call.person
    if draft:
        call.remember(uow, policy_id(name))
        uow.audit(call.event("policy:drafted", "policy", name, after=chosen.to_json(), version=chosen.version))
        uow.commit()
        return Proposed(name, None)
    if action in ACTIVATING:
        _check_covered(uow, name, chosen)
    proposed = PolicyChange(
        id=call.new_id(),
        policy=name,
        version=chosen.version,
        action=action,
        state="pending",
        reason=checked_text("reason", reason, limit=2_000).strip(),
        before=active.to_json() if active else None,
        after=chosen.to_json() if action in ACTIVATING else None,
        proposed_by=person.id,
        proposed_behind=person.answers_as,
        proposed_at=call.at,
    )
    event = call.event(
        "policy:change:proposed",
        "policy",
        name,
        before=proposed.before,
        after=proposed.after,
        digest=proposed.digest,
        changeId=proposed.id,
        change=action.value,
        version=chosen.version,
        reason=proposed.reason or None,
    )
    uow.policies.add_change(proposed, _leaf(event))
    call.remember(uow, proposed.id)
    uow.audit(event)
    uow.commit()
    return Proposed(name, proposed.id)


def _leaf(event: AuditEvent) -> str:
    return leaf_hash(event.canonical().encode()).hex()


def _repeated(name: str, known: str) -> Proposed:
    return Proposed(name, None if known == policy_id(name) else known)


def _in_force(versions: tuple[PolicyVersion, ...]) -> ActivePolicy | None:
    return next((one.active for one in versions if one.state is PolicyState.ACTIVE), None)


def _check_alive(versions: tuple[PolicyVersion, ...]) -> None:
    if any(one.state is PolicyState.RETIRED for one in versions):
        raise Conflict("The policy is retired; write a new one.", details={"policy": versions[-1].name})


def _check_no_other(uow: UnitOfWork, name: str) -> None:
    other = uow.policies.pending(name)
    if other is not None:
        raise Conflict(
            "Another change of this policy waits for a second person; approve or reject it first.",
            details={"changeId": other.id, "location": f"/api/v1/policies/changes/{other.id}"},
        )


def _check_covered(uow: UnitOfWork, name: str, after: ActivePolicy | None) -> None:
    """No transition loses the last policy that judges every version. Raises PolicyRequired."""
    before = uow.policies.active()
    rest = [one for one in before if one.policy.name != name]
    lost = uncovered([*rest, after] if after else rest) - uncovered(before)
    if lost:
        names = sorted(transition.value for transition in lost)
        raise PolicyRequired(
            f"Without it nobody would judge {', '.join(names)}, so nothing could go through; enable another policy for "
            "every version first.",
            details={"policy": name, "transitions": names},
        )
