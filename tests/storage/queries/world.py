"""A registry in plain Python: who is in which group, what there is, and what each person may therefore be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from governance.access.rules import AccessRule
from tests.governance.access.plain import Person, may_read

MODEL = ("model:read",)
HISTORY = ("model:read", "provenance:read")
DATASET = ("dataset:read",)
TRAFFIC = ("model:read", "deployment:read")


@dataclass
class Group:
    id: str
    parent: str | None = None
    admin_level: int = 0
    level: int = 1
    permissions: tuple[str, ...] = ()


@dataclass
class User:
    id: str
    name: str
    roles: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    clearance: int = 0
    workspace: str | None = None
    department: str | None = None
    project: str | None = None
    active: bool = True
    owner: str | None = None


@dataclass
class Asset:
    """A model or a dataset."""

    id: str
    rule: AccessRule
    name: str
    group: str
    tags: tuple[str, ...] = ()
    tier: str = "Low"
    owner: str = ""
    description: str = ""


@dataclass
class Version:
    id: str
    model: str
    name: str
    state: str = "draft"


@dataclass
class Request:
    id: str
    version: str
    transition: str
    requester: str
    status: str = "open"


@dataclass
class Part:
    """What belongs to a version or a model: an artifact, a suite, a finding, an evaluation."""

    id: str
    model: str
    version: str = ""
    status: str = ""


@dataclass
class World:
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[tuple[str, str, str]] = field(default_factory=set)  # group, user, source
    users: dict[str, User] = field(default_factory=dict)
    models: dict[str, Asset] = field(default_factory=dict)
    datasets: dict[str, Asset] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    artifacts: dict[str, Part] = field(default_factory=dict)
    suites: dict[str, Part] = field(default_factory=dict)
    findings: dict[str, Part] = field(default_factory=dict)
    evaluations: dict[str, Part] = field(default_factory=dict)
    traffic: dict[str, list[str]] = field(default_factory=dict)  # by model: versions that serve

    def line(self, group: str) -> list[str]:
        """The group and those above it."""
        found = [group]
        while (above := self.groups[found[-1]].parent) is not None:
            found.append(above)
        return found

    def direct(self, user: str) -> set[str]:
        return {group for group, member, _ in self.members if member == user}

    def person(self, user_id: str) -> Person:
        user, direct = self.users[user_id], self.direct(user_id)
        every = {name for group in direct for name in self.line(group)}
        return Person(
            roles=frozenset(user.roles),
            packages=frozenset(user.packages),
            groups={name: self.groups[name].permissions for name in every},
            seniors=frozenset(name for name in direct if self.groups[name].admin_level >= 2),
            level=max((self.groups[name].level for name in every), default=0),
            clearance=user.clearance,
            workspace=user.workspace,
            department=user.department,
            project=user.project,
        )

    def is_there(self, user_id: str) -> bool:
        user = self.users[user_id]
        return user.active and (user.owner is None or self.users[user.owner].active)

    # --- what a person may be shown -----------------------------------------------------------------------

    def sees_model(self, person: Person, model: str, permissions: Iterable[str]) -> bool:
        return any(may_read(person, permission, self.models[model].rule) for permission in permissions)

    def sees_dataset(self, person: Person, dataset: str) -> bool:
        return any(may_read(person, permission, self.datasets[dataset].rule) for permission in DATASET)

    def seen_models(self, person: Person, matching: Callable[[Asset], bool]) -> set[str]:
        return {one.id for one in self.models.values() if matching(one) and self.sees_model(person, one.id, MODEL)}

    def seen_datasets(self, person: Person, matching: Callable[[Asset], bool]) -> set[str]:
        return {one.id for one in self.datasets.values() if matching(one) and self.sees_dataset(person, one.id)}

    def seen_groups(self, person: Person, user_id: str) -> set[str]:
        """One's own and those above, those below a group of admin level 1 that one is directly in; admins all."""
        if "catalog_admin" in person.roles and person.acting_for is None and person.working_in is None:
            return {group.id for group in self.groups.values()}
        acting = person.acting_groups
        managing = {name for name in self.direct(user_id) & acting if self.groups[name].admin_level >= 1}
        below = {name for name in self.groups if managing & set(self.line(name))}
        return {self.groups[name].id for name in acting | below}
