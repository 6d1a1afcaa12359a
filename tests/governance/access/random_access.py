"""Random callers and random access rules, as strategies whose smallest examples say little."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

from governance.access.principal import PERSON, SERVICE, Principal
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel, AccessRule
from tests.governance.access.plain import Person

GROUPS = ("lab", "clinic", "risk", "audit")
PLACES = ("north", "south")
_PATTERNS = ("model:read", "*:read", "model:*", "dataset:read", "lineage:read", "*", "model:download", "model:create")
# What a group may give; `*` and `*:read` hold what it may not.
_GIVEN = ("model:read", "model:*", "dataset:read", "lineage:read", "model:download", "provenance:read")

_ROLES = tuple(Role)
_PACKAGES = tuple(PackagePermission)
_LEVELS = (AccessLevel.CONFIDENTIAL, AccessLevel.INTERNAL, AccessLevel.PUBLIC)
_PLACE = (None, None, *PLACES)

_epochs = itertools.count(1)  # decisions are remembered by epoch: no two random callers may share one
T = TypeVar("T")


class _Drawn:
    """Choices out of one large number: drawing many small ones costs more than what is tested with them."""

    def __init__(self, left: int) -> None:
        self._left = left

    def below(self, bound: int) -> int:
        self._left, found = divmod(self._left, bound)
        return found

    def one(self, of: Sequence[T]) -> T:
        return of[self.below(len(of))]

    def rarely(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1

    def some(self, of: Sequence[T]) -> tuple[T, ...]:
        """Each with a chance of one in three."""
        return tuple(item for item in of if self.rarely(3))


def principal_from(number: int) -> Principal:
    """Zero is a person without anything."""
    drawn = _Drawn(number)
    names = drawn.some(GROUPS)
    direct = tuple(name for name in names if drawn.below(2))
    service = drawn.rarely(10)
    workspace = drawn.one(_PLACE)
    narrowing = drawn.below(6)
    return Principal(
        id="u",
        name="somebody",
        roles=frozenset((drawn.one(_ROLES), drawn.one(_ROLES))[: drawn.below(3)]),
        groups=direct,
        kind=SERVICE if service else PERSON,
        owner_id="owner" if service else None,
        package_permissions=frozenset((drawn.one(_PACKAGES),)[: drawn.below(2)]),
        every_group=frozenset(names),
        senior_groups=frozenset(name for name in direct if drawn.below(2)),
        group_permissions={name: drawn.some(_GIVEN) for name in names},
        level=drawn.one(_LEVELS),
        clearance=drawn.one((0, 5)),
        workspace=workspace,
        department=drawn.one(_PLACE),
        project=drawn.one(_PLACE),
        epoch=next(_epochs),
        scopes=frozenset(drawn.some(_PATTERNS)) if drawn.rarely(5) else None,
        group_context=drawn.one(names) if names and narrowing == 4 else None,
        workspace_context=drawn.one((workspace, *PLACES)) if narrowing == 5 else None,
    )


def rule_from(number: int) -> AccessRule:
    """Zero is what is public and belongs to the first group."""
    drawn = _Drawn(number)
    return AccessRule(
        owners=(drawn.one(GROUPS),),
        level=drawn.one(tuple(AccessLevel)),
        allowed=drawn.some(GROUPS),
        restricted=(drawn.one(GROUPS),) if drawn.rarely(5) else (),
        sensitive=bool(drawn.below(2)),
        clearance=drawn.one((0, 0, 3)),
        workspace=drawn.one(PLACES) if drawn.rarely(5) else None,
        department=drawn.one(PLACES) if drawn.rarely(5) else None,
        project=drawn.one(PLACES) if drawn.rarely(5) else None,
    )


def principals() -> st.SearchStrategy[Principal]:
    return st.integers(0, 2**120 - 1).map(principal_from)


def rules() -> st.SearchStrategy[AccessRule]:
    return st.integers(0, 2**32 - 1).map(rule_from)


def plain(of: Principal) -> Person:
    """The same caller for the plain model."""
    return Person(
        roles=frozenset(role.value for role in of.roles),
        packages=frozenset(one.value for one in of.package_permissions),
        groups={group: tuple(of.group_permissions.get(group, ())) for group in of.every_group},
        seniors=of.senior_groups,
        level=int(of.level),
        clearance=of.clearance,
        workspace=of.workspace,
        department=of.department,
        project=of.project,
        scopes=of.scopes,
        acting_for=of.group_context,
        working_in=of.workspace_context,
    )
