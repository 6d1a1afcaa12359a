"""A random walk through a real registry with a plain model of it beside: each step changes both."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

from governance.access.principal import SERVICE
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessRule, access_level, checked_rule
from governance.lifecycle import TransitionName
from governance.operations import evaluations, groups, people, registry
from storage.composition import new_id
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import query
from tests.storage.queries.world import Asset, Group, Part, Request, User, Version, World

LEVELS = ("public", "internal", "confidential")
PLACES = ("north", "south")
TAGS = ("fraud", "vision", "50%", "a_b")
WORDS = ("credit", "Churn", "x_ray")
DESCRIPTIONS = ("About nothing.", "Finds 100% of a_b.")
GIVEN = ("model:read", "dataset:read", "lineage:read", "model:download", "provenance:read", "model:*")
MOST_GROUPS, MOST_ASSETS = 8, 14


class Walk:
    def __init__(self, registry: RegistryUnderTest, seed: int) -> None:
        self.registry = registry
        self.numbers = random.Random(seed)
        self.world = World()
        self.story: list[str] = []
        self._counter = itertools.count(1)
        self._known_groups()
        admin = registry.admin
        self.world.users[admin.id] = User(admin.id, admin.name, ("catalog_admin",))
        for person in (registry.dev, registry.grace, registry.alan, registry.edsger):
            self.world.users[person.id] = User(person.id, person.name, tuple(role.value for role in person.roles))
        self.world.members = {
            (name, person.id, "local")
            for person in (registry.admin, registry.dev, registry.grace, registry.alan, registry.edsger)
            for name in person.groups
        }
        for _ in range(2):
            self.new_group()
        for _ in range(3):
            self.new_user()
        for _ in range(4):
            self.new_model()
            self.new_dataset()
            self.new_version()

    def _known_groups(self) -> None:
        for id, name in query(self.registry, "select id::text, name from groups"):
            self.world.groups[name] = Group(id)

    def step(self) -> None:
        """One random change."""
        self.registry.admin = self.registry.principal(self.registry.admin.id)
        self.numbers.choices(self._steps, self._weights)[0](self)

    # --- small choices ------------------------------------------------------------------------------------

    def _rarely(self, one_in: int = 4) -> bool:
        return self.numbers.randrange(one_in) == 0

    def _some(self, of: Any, most: int = 2) -> list[Any]:
        return self.numbers.sample(sorted(of), self.numbers.randint(0, min(most, len(of))))

    def _group(self) -> str:
        return self.numbers.choice(sorted(self.world.groups))

    def _user(self) -> str:
        return self.numbers.choice([user for user in self.world.users if user != self.registry.admin.id])

    def _one(self, of: dict[str, Any]) -> Any:
        return self.numbers.choice(list(of.values()))

    def _attributes(self) -> dict[str, Any]:
        place = (None, None, *PLACES)
        return {
            "clearanceLevel": self.numbers.choice((0, 0, 5)),
            "workspace": self.numbers.choice(place),
            "department": self.numbers.choice(place),
            "project": self.numbers.choice(place),
        }

    def _rule(self) -> dict[str, Any]:
        return {
            "accessLevel": self.numbers.choice(LEVELS),
            "allowedGroups": self._some(self.world.groups),
            "ownerGroups": self._some(self.world.groups, 1),
            "restrictedGroups": self._closed() if self._rarely(3) else [],
            "sensitive": self._rarely(),
            "clearanceLevel": self.numbers.choice((0, 0, 0, 3)),
            "workspace": self.numbers.choice(PLACES) if self._rarely(5) else None,
            "department": self.numbers.choice(PLACES) if self._rarely(6) else None,
            "project": self.numbers.choice(PLACES) if self._rarely(6) else None,
        }

    def _closed(self) -> list[str]:
        """Not to the administrator, who makes everything here."""
        mine = self.world.person(self.registry.admin.id).groups
        return self._some([name for name in self.world.groups if name not in mine], 1)

    def _told(self, what: str) -> None:
        self.story.append(what)

    # --- people and groups --------------------------------------------------------------------------------

    def new_group(self) -> None:
        if len(self.world.groups) >= MOST_GROUPS:
            return
        name = f"group-{next(self._counter)}"
        parent = self._group() if self._rarely(2) else None
        made = Group(
            "", parent, self.numbers.randint(0, 3), self.numbers.randint(0, 2), tuple(sorted(self._some(GIVEN)))
        )
        new = groups.NewGroup(name, "", parent, made.admin_level, LEVELS[made.level], made.permissions, [name])
        made.id = groups.create_group(self.registry.unit(), self.registry.call(self.registry.admin), new)
        self.world.groups[name] = made
        self._told(f"{name} = {made}")

    def change_group(self) -> None:
        name = self._group()
        group = self.world.groups[name]
        free = [other for other in self.world.groups if name not in self.world.line(other)]
        group.parent = self.numbers.choice(free) if free and self._rarely(2) else None
        group.admin_level, group.level = self.numbers.randint(0, 3), self.numbers.randint(0, 2)
        group.permissions = tuple(sorted(self._some(GIVEN)))
        if self._rarely(3):
            parent = self.world.groups[group.parent].id if group.parent else None
            query(
                self.registry,
                "update groups set parent_id = %s, admin_level = %s, access_level = %s, permissions = %s where id = %s",
                parent, group.admin_level, group.level, list(group.permissions), group.id,
            )  # fmt: skip
        else:
            new = groups.NewGroup(
                name, None, group.parent or "", group.admin_level, LEVELS[group.level], group.permissions
            )
            groups.change_group(self.registry.unit(), self.registry.call(self.registry.admin), group.id, new)
        self._told(f"{name} becomes {group}")

    def new_user(self) -> None:
        roles = tuple(self._some([role.value for role in Role if role is not Role.CATALOG_ADMIN]))
        packages = tuple(self._some([one.value for one in PackagePermission], 1))
        within = self._some(self.world.groups)
        owner = (
            self.numbers.choice([u for u in self.world.users.values() if u.owner is None]) if self._rarely() else None
        )
        attributes = self._attributes()
        name = f"user-{next(self._counter)}"
        new = people.NewUser(
            name, roles, within, permissions=packages, attributes=attributes,
            **({"kind": SERVICE, "owner": owner.name} if owner is not None and owner.active else {}),
        )  # fmt: skip
        made = people.create_user(self.registry.unit(), self.registry.call(self.registry.admin), new)
        self.world.users[made] = User(
            made, name, roles, packages, attributes["clearanceLevel"], attributes["workspace"],
            attributes["department"], attributes["project"], True,
            owner.id if new.kind == SERVICE and owner is not None else None,
        )  # fmt: skip
        self.world.members |= {(group, made, "local") for group in within}
        self._told(f"{name} in {within}: {self.world.users[made]}")

    def change_user(self) -> None:
        user = self.world.users[self._user()]
        user.roles = tuple(self._some([role.value for role in Role]))
        attributes = self._attributes()
        user.clearance, user.workspace = attributes["clearanceLevel"], attributes["workspace"]
        user.department, user.project = attributes["department"], attributes["project"]
        user.active = not self._rarely(6)
        self.registry.change(user.id, roles=user.roles, attributes=attributes, active=user.active)
        self._told(f"{user.name} becomes {user}")

    def join(self) -> None:
        user, group = self._user(), self._group()
        call = self.registry.call(self.registry.admin)
        groups.add_member(self.registry.unit(), call, self.world.groups[group].id, user)
        self.world.members.add((group, user, "local"))
        self._told(f"{self.world.users[user].name} joins {group}")

    def leave(self) -> None:
        if not self.world.members:
            return
        group, user, _ = self.numbers.choice(sorted(self.world.members))
        call = self.registry.call(self.registry.admin)
        groups.remove_member(self.registry.unit(), call, self.world.groups[group].id, user)
        self.world.members -= {(group, user, "local"), (group, user, "oidc")}
        self._told(f"{self.world.users[user].name} leaves {group}")

    def follow_claims(self) -> None:
        user, claims = self._user(), self._some(self.world.groups, 3)
        with self.registry.unit() as uow:
            uow.groups.follow_claims(user, claims, self.registry.at)
            uow.commit()
        self.world.members = {one for one in self.world.members if one[1:] != (user, "oidc")}
        self.world.members |= {(group, user, "oidc") for group in claims}
        self._told(f"{self.world.users[user].name} comes with the claims {claims}")

    def by_hand(self) -> None:
        """Memberships changed by SQL, several at once."""
        users, group = self._some(self.world.users, 3), self._group()
        id = self.world.groups[group].id
        kind = self.numbers.choice(("insert", "delete", "move"))
        if kind == "insert":
            query(
                self.registry,
                "insert into group_members select %s, unnest(%s::uuid[]), 'local', null, now() on conflict do nothing",
                id, users,
            )  # fmt: skip
            self.world.members |= {(group, user, "local") for user in users}
        elif kind == "delete":
            query(self.registry, "delete from group_members where group_id = %s", id)
            self.world.members = {one for one in self.world.members if one[0] != group}
        else:
            to = self.numbers.choice(sorted(self.world.groups))
            query(
                self.registry,
                """update group_members m set group_id = %s where group_id = %s and source = 'local'
                    and not exists (select 1 from group_members o
                        where (o.group_id, o.user_id, o.source) = (%s, m.user_id, 'local'))""",
                self.world.groups[to].id, id, self.world.groups[to].id,
            )  # fmt: skip
            moved = {one for one in self.world.members if one[0] == group and one[2] == "local"}
            moved = {one for one in moved if (to, *one[1:]) not in self.world.members}
            self.world.members = (self.world.members - moved) | {(to, *one[1:]) for one in moved}
        self._told(f"by hand: {kind} {group} {users}")

    # --- what there is ------------------------------------------------------------------------------------

    def _checked(self, group: str, asked: dict[str, Any]) -> AccessRule:
        return checked_rule(group, asked, access_level("internal"))

    def new_model(self) -> None:
        if len(self.world.models) >= MOST_ASSETS:
            return
        group, asked, number = self._group(), self._rule(), next(self._counter)
        name, tags = f"{self.numbers.choice(WORDS)}-{number}", self._some(TAGS)
        tier, owner = self.numbers.choice(("Low", "High")), self.numbers.choice(("ann@x.org", "bob@x.org"))
        about = self.numbers.choice(DESCRIPTIONS)
        new = registry.NewModel(name, group, about, [owner], tier, tags, asked)
        admin = self.registry.call(self.registry.admin)
        made = registry.create_model(self.registry.unit(), admin, new)
        self.world.models[made] = Asset(made, self._checked(group, asked), name, group, tuple(tags), tier, owner, about)
        self._told(f"model {self.world.models[made]}")

    def new_dataset(self) -> None:
        if len(self.world.datasets) >= MOST_ASSETS:
            return
        group, asked, name = self._group(), self._rule(), f"data-{next(self._counter)}"
        made = evaluations.create_dataset(
            self.registry.unit(), self.registry.call(self.registry.admin),
            name=name, group=group, kind="csv", sha256="d" * 64, size=1, access=asked,
        )  # fmt: skip
        self.world.datasets[made] = Asset(made, self._checked(group, asked), name, group)
        self._told(f"dataset {self.world.datasets[made]}")

    def change_rule(self) -> None:
        asked = self._rule()
        if self._rarely(3):
            dataset = self._one(self.world.datasets)
            dataset.rule = self._checked(dataset.group, asked)
            with self.registry.unit() as uow:
                uow.access.set_of_dataset(dataset.id, dataset.rule)
                uow.commit()
            self._told(f"dataset {dataset}")
            return
        model = self._one(self.world.models)
        mine = set(self.world.person(self.registry.admin.id).groups)
        if mine & set(model.rule.restricted):
            return  # by now the administrator is in a group that it is closed to
        call = self.registry.call(self.registry.admin)
        model.rule = registry.change_model_access(self.registry.unit(), call, model.id, asked)
        assert model.rule == self._checked(model.group, asked)
        self._told(f"model {model}")

    def new_version(self) -> None:
        """With an artifact, a suite, and now and then a finding, traffic and an evaluation."""
        model, number = self._one(self.world.models), next(self._counter)
        if set(self.world.person(self.registry.admin.id).groups) & set(model.rule.restricted):
            return
        admin = self.registry.call(self.registry.admin)
        new = registry.NewVersion(model.id, f"{number}.0.0", "0" * 40, None, METADATA)
        version = registry.create_version(self.registry.unit(), admin, new)
        self.world.versions[version] = Version(version, model.id, new.version)
        container = registry.NewArtifact(
            model.id,
            new.version,
            "container",
            "serving",
            "application/x",
            "",
            0,
            f"r.example/x@sha256:{'a' * 64}",
            None,
        )
        artifact = registry.attach_artifact(self.registry.unit(), admin, container)
        self.world.artifacts[artifact] = Part(artifact, model.id, version)
        suite = new_id()
        dataset = self._one(self.world.datasets).id
        query(
            self.registry,
            """insert into evaluation_suites (id, model_id, name, dataset_id, task_type, target, metrics, thresholds,
                margin, digest, created_by, created_at)
                values (%s, %s, %s, %s, 'regression', 'y', '{}', '{}', 0, '', %s, now())""",
            suite, model.id, f"suite-{number}", dataset, self.registry.admin.id,
        )  # fmt: skip
        self.world.suites[suite] = Part(suite, model.id)
        self._request(self.world.versions[version], suite)
        self._told(f"version {version} of {model.name}")

    def _request(self, version: Version, suite: str) -> None:
        """What asking for a transition leaves behind, at any stage of it; asked for by anybody."""
        requester, status = self._user(), self.numbers.choice(("open", "applied", "denied"))
        request = Request(new_id(), version.id, TransitionName.SUBMIT.value, requester, status)
        write = "insert into transition_requests (id, model_id, version_id, transition, status, requester_id, reason, "
        write += "attempt, created_at, updated_at) values (%s, %s, %s, %s, 'open', %s, '', 1, now(), now())"
        query(self.registry, write, request.id, version.model, version.id, request.transition, requester)
        if status == "applied":
            version.state = "submitted"
            query(
                self.registry,
                "update model_versions set state = 'submitted', last_request_id = %s where id = %s",
                request.id, version.id,
            )  # fmt: skip
        query(self.registry, "update transition_requests set status = %s where id = %s", status, request.id)
        self.world.requests[request.id] = request
        evaluation, finding = new_id(), new_id()
        query(
            self.registry,
            """insert into evaluations (id, version_id, suite_id, request_id, status, thresholds, created_at)
                values (%s, %s, %s, %s, 'queued', '{}', now())""",
            evaluation, version.id, suite, request.id,
        )  # fmt: skip
        self.world.evaluations[evaluation] = Part(evaluation, version.model, version.id)
        shut = self.numbers.choice(("open", "closed"))
        query(
            self.registry,
            """insert into findings (id, model_id, version_id, severity, title, status, request_id, created_at,
                    closed_at)
                   select %s, %s, %s, 'low', 'A finding.', s, %s, now(), case s when 'closed' then now() end
                   from (values (%s::text)) given(s)""",
            finding, version.model, version.id, request.id, shut,
        )  # fmt: skip
        self.world.findings[finding] = Part(finding, version.model, version.id, shut)
        if self._rarely(2):
            query(
                self.registry,
                "insert into deployments values (%s, 'staging', %s, 'x', 100, %s, now())",
                version.model, version.id, request.id,
            )  # fmt: skip
            self.world.traffic.setdefault(version.model, []).append(version.id)

    _steps: tuple[Callable[[Walk], None], ...] = (
        new_group, change_group, new_user, change_user, join, leave, follow_claims, by_hand,
        new_model, new_dataset, change_rule, new_version,
    )  # fmt: skip
    _weights = (2, 5, 1, 6, 5, 4, 4, 3, 2, 1, 6, 3)
