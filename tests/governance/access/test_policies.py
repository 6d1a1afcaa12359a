"""The policy set as data: valid, complete, and exactly the documents' lists; and decisions are remembered rightly."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.access import decisions
from governance.access.decisions import decide, permissions_of, policy_text, schema_text
from governance.access.permissions import GRANTABLE, PERMISSIONS, WILDCARDS, expanded
from governance.access.principal import Principal
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel, AccessRule
from governance.errors import InvalidInput
from tests.governance.access.plain import APPROVER, CATALOG_ROLES, PACKAGE_PERMISSIONS, matches
from tests.governance.access.random_access import principals, rules


def policies() -> list[dict[str, Any]]:
    return list(json.loads(cedarpy.policies_to_json_str(policy_text()))["staticPolicies"].values())


def listed(kind: str, name: str) -> list[str]:
    """What the one policy about this role or package permission permits, as it is written."""
    (found,) = (
        policy
        for policy in policies()
        if policy["effect"] == "permit" and policy["principal"].get("entity") == {"type": kind, "id": name}
    )
    assert found["principal"]["op"] == "in"
    assert found["resource"] == {"op": "All"}
    assert not found["conditions"]
    action = found["action"]
    assert action["op"] == "in"
    return [entity["id"] for entity in action.get("entities") or [action["entity"]]]


def test_the_policies_fit_the_schema() -> None:
    found = cedarpy.validate_policies(policy_text(), schema_text())
    assert found.validation_passed, found.errors


def test_a_policy_that_does_not_fit_is_noticed() -> None:
    wrong = policy_text() + '\n@id("x") @says("x") permit (principal, action == Action::"model:reed", resource);'
    assert not cedarpy.validate_policies(wrong, schema_text()).validation_passed


def test_the_schema_has_an_action_for_every_permission_and_wildcard() -> None:
    named = re.findall(r'^action "([^"]+)"(.*);$', schema_text(), re.MULTILINE)
    assert len(named) == len(dict(named))
    assert {name for name, _ in named} == PERMISSIONS | set(WILDCARDS)
    assert {name for name, rest in named if "appliesTo" in rest} == PERMISSIONS


def test_the_actions_lie_in_the_wildcards_that_stand_for_them() -> None:
    above: dict[str, set[str]] = {}
    for name, rest in re.findall(r'^action "([^"]+)"(.*);$', schema_text(), re.MULTILINE):
        above[name] = set(re.findall(r'Action::"([^"]+)"', rest))
    for permission in PERMISSIONS:
        reached, left = set[str](), [permission]
        while left:
            step = above[left.pop()]
            left += step - reached
            reached |= step
        assert reached == {wildcard for wildcard, matched in WILDCARDS.items() if permission in matched}
        assert reached == {wildcard for wildcard in WILDCARDS if matches(wildcard, permission)}


def test_every_policy_says_what_it_is_for() -> None:
    notes = [policy.get("annotations", {}) for policy in policies()]
    assert all(set(note) == {"id", "says"} and note["says"].endswith(".") for note in notes)
    ids = [note["id"] for note in notes]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in ids)


@pytest.mark.parametrize("role", CATALOG_ROLES)
def test_a_role_of_the_catalog_has_exactly_its_list(role: str) -> None:
    assert listed("Role", role) == CATALOG_ROLES[role]


@pytest.mark.parametrize("role", ["approver", "validator"])
def test_whoever_decides_has_exactly_their_list(role: str) -> None:
    assert listed("Role", role) == APPROVER


@pytest.mark.parametrize("permission", PACKAGE_PERMISSIONS)
def test_a_package_permission_has_exactly_its_list(permission: str) -> None:
    assert listed("PackagePermission", permission) == PACKAGE_PERMISSIONS[permission]


def test_the_lists_are_those_of_all_roles_and_no_others() -> None:
    named = [policy["principal"]["entity"] for policy in policies() if "entity" in policy["principal"]]
    found = {(entity["type"], entity["id"]) for entity in named}
    assert found == {("Role", role) for role in Role} | {("PackagePermission", one) for one in PackagePermission}
    assert {role.value for role in Role} == {*CATALOG_ROLES, "approver", "validator"}


def test_a_group_gives_nothing_that_decides_or_administers() -> None:
    beyond = (
        "approval",
        "production",
        "policy",
        "freeze",
        "group",
        "user",
        "dashboard",
        "self",
        "audit",
        "compliance",
        "package",
    )
    assert {one for one in PERMISSIONS if one.split(":")[0] not in beyond} == GRANTABLE


@settings(max_examples=60)
@given(principals())
def test_the_permissions_told_are_those_that_cedar_gives(principal: Principal) -> None:
    told = permissions_of(principal)
    assert expanded(told) == {one for one in PERMISSIONS if decide(principal, one).allowed}


# --- remembering ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["model:reed", "*", "model:*", "*:read", ""])
def test_what_is_no_permission_is_not_answered(asked: str) -> None:
    with pytest.raises(ValueError, match="no such permission"):
        decide(Principal("u", "u", frozenset({Role.CATALOG_ADMIN})), asked)


def test_scopes_of_no_permission_are_refused() -> None:
    with pytest.raises(InvalidInput):
        decide(Principal("u", "u", frozenset(), scopes=frozenset({"model:reed"}), epoch=-77), "model:read")


def test_the_same_question_is_asked_once() -> None:
    principal = Principal("u", "u", frozenset({Role.VIEWER}), level=AccessLevel.INTERNAL, epoch=-1_000_001)
    rule = AccessRule(("lab",), AccessLevel.PUBLIC)
    first = decide(principal, "model:read", rule)
    assert decide(replace(principal), "model:read", replace(rule)) is first
    assert permissions_of(principal) is permissions_of(replace(principal))


CHANGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "roles": st.frozensets(st.sampled_from(Role), max_size=2),
            "level": st.sampled_from(AccessLevel),
            "every_group": st.frozensets(st.sampled_from(["lab", "clinic"])),
            "clearance": st.sampled_from([0, 5]),
        },
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=60)
@given(principals(), CHANGES, rules(), st.sampled_from(["model:read", "model:update", "approval:decide"]))
def test_a_change_is_never_answered_from_before_it(
    principal: Principal, changes: list[dict[str, Any]], rule: AccessRule, permission: str
) -> None:
    """Each change grows the epoch, as the database does it; the same without memory answers the same."""
    for number, change in enumerate(changes):
        principal = replace(principal, epoch=principal.epoch * 1_000 + number + 1, **change)
        for _ in range(2):
            remembered = decide(principal, permission, rule)
            assert remembered == decisions._ask(principal, permission, rule)
            assert expanded(permissions_of(principal)) == decisions._granted(principal)


@pytest.mark.parametrize(
    "narrower",
    [
        {"scopes": frozenset({"dataset:read"})},
        {"group_context": "clinic"},
        {"workspace_context": "north"},
    ],
)
def test_a_narrower_call_of_the_same_epoch_is_another_question(narrower: dict[str, Any]) -> None:
    groups = frozenset({"lab", "clinic"})
    wide = Principal(
        "u", "u", frozenset({Role.VIEWER}), level=AccessLevel.INTERNAL, every_group=groups, epoch=-1_000_002
    )
    rule = AccessRule(("lab",))
    assert decide(wide, "model:read", rule).allowed
    assert not decide(replace(wide, **narrower), "model:read", rule).allowed
    assert decide(wide, "model:read", rule).allowed


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "_MOST_REMEMBERED", 20)
    for number in range(30):
        principal = Principal("u", "u", frozenset({Role.VIEWER}), epoch=-2_000_000 - number)
        decide(principal, "model:read")
        permissions_of(principal)
    assert len(decisions._remembered) == 20
    assert len(decisions._effective) == 2
