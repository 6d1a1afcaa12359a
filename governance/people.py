"""Who acts: roles, people and the principal of a call. The full access model will stand in this place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """`developer` builds versions, `approver` decides about them, `admin` runs the platform."""

    DEVELOPER = "developer"
    APPROVER = "approver"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller. `groups` are the organisational groups that quorums count."""

    id: str
    name: str
    role: Role
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    role: Role
    groups: tuple[str, ...]
    password_hash: str | None
    active: bool = True
