"""Whom an asset is open to (group-aware API: access rules; catalog: dataset `access`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from governance.canonical import digest_of
from governance.errors import InvalidInput
from governance.models import checked_name, checked_text

MOST_GROUPS = 100
MOST_CLEARANCE = 1_000


class AccessLevel(IntEnum):
    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def access_level(word: str) -> AccessLevel:
    """Raises InvalidInput."""
    try:
        return AccessLevel[word.upper()]
    except KeyError:
        raise InvalidInput(
            "The access level is public, internal or confidential.", details={"field": "accessLevel"}
        ) from None


@dataclass(frozen=True)
class AccessRule:
    """One combination of access settings; equal rules are one row, and assets point to it.

    `owners` may change the asset, `allowed` may read it; nobody in `restricted` may do either, whatever else
    they are. `sensitive`: only for groups of admin level 2 and above (group-aware API, determineModelAccessRules).
    `workspace`, `department`, `project`: where named, only for people of that place.
    """

    owners: tuple[str, ...]
    level: AccessLevel = AccessLevel.INTERNAL
    allowed: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()
    sensitive: bool = False
    clearance: int = 0
    workspace: str | None = None
    department: str | None = None
    project: str | None = None

    @property
    def readers(self) -> frozenset[str]:
        return frozenset((*self.owners, *self.allowed))

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "accessLevel": self.level.word,
            "ownerGroups": list(self.owners),
            "allowedGroups": list(self.allowed),
            "restrictedGroups": list(self.restricted),
            "sensitive": self.sensitive,
            "clearanceLevel": self.clearance,
            "workspace": self.workspace,
            "department": self.department,
            "project": self.project,
        }


def checked_rule(owner: str, asked: Mapping[str, Any], default_level: AccessLevel) -> AccessRule:
    """The rule that somebody asks for, on top of the defaults. Raises InvalidInput.

    asked: accessLevel, ownerGroups, allowedGroups, restrictedGroups, sensitive, clearanceLevel, workspace,
    department, project; all optional. The group that the asset is named in always owns it.
    """
    level = asked.get("accessLevel")
    return AccessRule(
        owners=_groups("ownerGroups", [owner, *(asked.get("ownerGroups") or ())]),
        level=access_level(level) if level is not None else default_level,
        allowed=_groups("allowedGroups", asked.get("allowedGroups") or ()),
        restricted=_groups("restrictedGroups", asked.get("restrictedGroups") or ()),
        sensitive=bool(asked.get("sensitive")),
        clearance=checked_clearance(asked),
        workspace=checked_place("workspace", asked.get("workspace")),
        department=checked_place("department", asked.get("department")),
        project=checked_place("project", asked.get("project")),
    )


def checked_clearance(asked: Mapping[str, Any]) -> int:
    """`clearanceLevel` of what was asked, 0 without one. Raises InvalidInput."""
    clearance = int(asked.get("clearanceLevel") or 0)
    if not 0 <= clearance <= MOST_CLEARANCE:
        raise InvalidInput(f"clearanceLevel is between 0 and {MOST_CLEARANCE}.", details={"field": "clearanceLevel"})
    return clearance


def checked_place(what: str, value: str | None) -> str | None:
    """The name of a workspace, department or project; None where none is meant. Raises InvalidInput."""
    return checked_text(what, value, limit=128).strip() or None if value else None


def _groups(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """Sorted, each once: the same groups make the same rule."""
    if len(names) > MOST_GROUPS:
        raise InvalidInput(f"{what} has at most {MOST_GROUPS} entries.", details={"field": what})
    return tuple(sorted({checked_name(what, name) for name in names}))
