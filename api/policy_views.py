"""How policies look in answers: read from the tables in one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.operations.policies import resolve
from governance.policies import BY_NAME, build_policy
from governance.policies.base import ActivePolicy
from governance.policy_changes import ACTIVATING, PolicyState, PolicyVersion, policy_id
from governance.policy_definitions import draft_of
from governance.time_machine import Draft
from storage.composition import Platform
from storage.queries.pages import Page, PageRequest, page_of_list

_MOST_VERSIONS = 100


def policy_page(
    platform: Platform, request: PageRequest, *, kind: str | None, state: str | None, transition: str | None
) -> Page:
    """Those not retired unless that is asked for, in the order in which a run shows them."""
    with platform.new_unit() as uow:
        every = uow.policies.every()
        order = {active.policy.name: number for number, active in enumerate(uow.policies.active())}
    shown = [shown_policy(versions) for versions in every]
    shown.sort(key=lambda one: (order.get(one["name"], len(order)), one["name"]))
    wanted = [
        one
        for one in shown
        if (one["state"] == state if state else one["state"] != "retired")
        and kind in (None, one["kind"])
        and (transition is None or transition in one["transitions"])
    ]
    return page_of_list([(one["id"], orjson.dumps(one).decode()) for one in wanted], request)


def policy_detail(platform: Platform, name_or_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    with platform.new_unit() as uow:
        versions = resolve(uow, name_or_id)
        pending = uow.policies.pending(versions[-1].name)
    chosen = chosen_version(versions)
    return {
        **shown_policy(versions),
        "samples": chosen.samples,
        "versions": [_shown_version(one) for one in reversed(versions[-_MOST_VERSIONS:])],
        "pendingChange": pending.id if pending else None,
    }


def policy_name(platform: Platform, name_or_id: str) -> str:
    """Raises NotFound."""
    with platform.new_unit() as uow:
        return resolve(uow, name_or_id)[-1].name


def shown_policy(versions: Sequence[PolicyVersion]) -> dict[str, Any]:
    chosen = chosen_version(versions)
    definition = chosen.active.to_json()
    return {
        **definition,
        "id": policy_id(chosen.name),
        "state": chosen.state.value,
        "transitions": definition["scope"]["transitions"],
        "builtIn": definition["builtIn"] is not None,
    }


def chosen_version(versions: Sequence[PolicyVersion]) -> PolicyVersion:
    """The one in force, else the one that was last, else the newest."""
    for state in (PolicyState.ACTIVE, PolicyState.RETIRED, PolicyState.DISABLED):
        found = [one for one in versions if one.state is state]
        if found:
            return found[-1]
    return versions[-1]


def _shown_version(one: PolicyVersion) -> dict[str, Any]:
    return {
        "version": one.version,
        "state": one.state.value,
        "definition": one.active.policy.definition(),
        "createdAt": rendered(one.created_at) if one.created_at else None,
    }


def drafted(
    platform: Platform,
    name_or_id: str,
    *,
    version: int | None,
    parameters: dict[str, Any] | None,
    definition: dict[str, Any] | None,
) -> Draft:
    """What to hold against the past under this policy's name. Raises NotFound, InvalidInput."""
    with platform.new_unit() as uow:
        versions = resolve(uow, name_or_id)
        pending = uow.policies.pending(versions[-1].name)
    name = versions[-1].name
    before = next((one.active for one in versions if one.state is PolicyState.ACTIVE), None)
    if sum(one is not None for one in (version, parameters, definition)) > 1:
        raise InvalidInput("Give a version, parameters or a definition.", details={"field": "version"})
    if parameters is not None:
        if name not in BY_NAME:
            raise InvalidInput(f"{name!r} has rules, not parameters.", details={"field": "parameters"})
        return Draft(name, ActivePolicy(build_policy(BY_NAME[name], parameters), versions[-1].version + 1), before)
    if definition is not None:
        if name in BY_NAME:
            raise InvalidInput(f"{name!r} is built in; only its parameters change.", details={"field": "rules"})
        return Draft(name, ActivePolicy(draft_of({**definition, "name": name}), versions[-1].version + 1), before)
    if version is not None:
        chosen = next((one for one in versions if one.version == version), None)
        if chosen is None:
            raise InvalidInput(f"{name!r} has no version {version}.", details={"field": "version"})
        return Draft(name, chosen.active, before)
    if pending is not None:
        return _of_change(versions, pending.version, pending.action in ACTIVATING)
    return Draft(name, versions[-1].active, before)


def draft_of_change(platform: Platform, change_id: str) -> Draft | None:
    """What a pending change would put in force; None when it waits no longer. Raises NotFound."""
    with platform.new_unit() as uow:
        found = uow.policies.change(change_id)
        versions = resolve(uow, found.policy)
    if found.state != "pending":
        return None
    return _of_change(versions, found.version, found.action in ACTIVATING)


def _of_change(versions: Sequence[PolicyVersion], version: int, activates: bool) -> Draft:
    before = next((one.active for one in versions if one.state is PolicyState.ACTIVE), None)
    after = next(one.active for one in versions if one.version == version) if activates else None
    return Draft(versions[-1].name, after, before)
