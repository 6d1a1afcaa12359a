"""Everything that one caller can read, compared with what the plain model says that they may."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from psycopg_pool import AsyncConnectionPool

from governance.access.principal import Principal
from governance.errors import Forbidden, NotFound
from storage.composition import new_id, now
from storage.queries import deadlines, evaluations, groups, people, registry, requests, run_page
from storage.queries.pages import Page, PageRequest
from tests.governance.access.plain import Person, may_somewhere
from tests.storage.queries.world import DATASET, HISTORY, MODEL, TRAFFIC, Asset, World

Read = Callable[[PageRequest], Awaitable[Page]]
FORBIDDEN, NOT_FOUND = "forbidden", "not found"


class Looking:
    """`principal` as the database says, `person` as the plain model says; both narrowed in the same way."""

    def __init__(
        self, pool: AsyncConnectionPool, world: World, principal: Principal, person: Person, numbers: random.Random
    ) -> None:
        self.pool, self.world, self.numbers = pool, world, numbers
        self.caller, self.person = principal, person
        self.compared = 0

    async def everything(self) -> None:
        for look in (
            self._models, self._versions, self._datasets, self._suites, self._requests, self._findings, self._groups,
            self._single_models, self._single_others,
        ):  # fmt: skip
            await look()

    # --- lists --------------------------------------------------------------------------------------------

    async def _models(self) -> None:
        one = self.numbers.choice(list(self.world.models.values()))
        part = self.numbers.choice((one.name, one.name[2:], one.name[:3].upper(), "%", "_", "nothing"))
        submitted = {version.model for version in self._all_versions if version.state == "submitted"}
        where: dict[str, tuple[Any, Callable[[Asset], bool]]] = {
            "search": (part, lambda m: part.lower() in f"{m.name} {m.description}".lower()),
            "group": (one.group, lambda m: m.group == one.group),
            "tag": ("50%", lambda m: "50%" in m.tags),
            "owner": (one.owner, lambda m: m.owner == one.owner),
            "risk_tier": (one.tier, lambda m: m.tier == one.tier),
            "state": ("submitted", lambda m: m.id in submitted),
        }
        for names in ([], [self.numbers.choice(list(where))], self.numbers.sample(list(where), 2)):
            asked = {name: where[name][0] for name in names}
            tests = [where[name][1] for name in names]
            found = self.world.seen_models(self.person, partial(_all, tests))
            await self._list(f"models {asked}", MODEL, found, partial(self._read_models, asked))

    async def _read_models(self, asked: dict[str, Any], page: PageRequest) -> Page:
        return await registry.models(self.pool, self.caller, page, **asked)

    @property
    def _all_versions(self) -> list[Any]:
        return list(self.world.versions.values())

    async def _versions(self) -> None:
        model = self.numbers.choice([*self.world.models, new_id()])
        state = self.numbers.choice((None, "draft"))
        visible = model in self.world.models and self.world.sees_model(self.person, model, MODEL)
        found = {v.id for v in self._all_versions if v.model == model and state in (None, v.state)}
        await self._list(
            f"versions of {model}", MODEL, found if visible else None,
            lambda page: registry.versions(self.pool, self.caller, page, model, state=state),
        )  # fmt: skip

    async def _datasets(self) -> None:
        group = self.numbers.choice((None, *self.world.groups))
        found = self.world.seen_datasets(self.person, lambda one: group in (None, one.group))
        await self._list(
            f"datasets of {group}", DATASET, found,
            lambda page: evaluations.datasets(self.pool, self.caller, page, group=group),
        )  # fmt: skip

    async def _suites(self) -> None:
        model = self.numbers.choice((None, *self.world.models))
        found = {
            one.id
            for one in self.world.suites.values()
            if model in (None, one.model) and self.world.sees_model(self.person, one.model, MODEL)
        }
        await self._list(
            f"suites of {model}", MODEL, found,
            lambda page: evaluations.suites(self.pool, self.caller, page, model_id=model),
        )  # fmt: skip

    async def _requests(self) -> None:
        for filters in self._request_filters():
            found = set()
            for one in self.world.requests.values():
                version = self.world.versions[one.version]
                facts = {
                    "model_id": version.model,
                    "version": version.name,
                    "status": one.status,
                    "state": version.state,
                    "transition": one.transition,
                    "requester_id": one.requester,
                }
                if all(facts[name] == value for name, value in filters.items()):
                    found |= {one.id} if self.world.sees_model(self.person, version.model, HISTORY) else set()
            await self._list(
                f"requests {filters}", HISTORY, found,
                lambda page, filters=filters: requests.requests(self.pool, self.caller, page, **filters),  # type: ignore[misc]
            )  # fmt: skip

    def _request_filters(self) -> list[dict[str, Any]]:
        """None, the home page's, and any."""
        version = self.numbers.choice(self._all_versions)
        some = self.numbers.choice(
            (
                {"model_id": version.model},
                {"model_id": version.model, "version": version.name},
                {"status": self.numbers.choice(("open", "applied"))},
                {"state": "submitted", "transition": "submit"},
            )
        )
        return [{}, {"requester_id": self.caller.id}, some]

    async def _findings(self) -> None:
        model = self.numbers.choice((None, *self.world.models))
        status = self.numbers.choice((None, "open"))
        found = {
            one.id
            for one in self.world.findings.values()
            if model in (None, one.model) and status in (None, one.status)
            and self.world.sees_model(self.person, one.model, HISTORY)
        }  # fmt: skip
        await self._list(
            f"findings of {model}, {status}", HISTORY, found,
            lambda page: deadlines.findings(self.pool, self.caller, page, now(), model_id=model, status=status),
        )  # fmt: skip

    async def _groups(self) -> None:
        """Asking for groups takes a permission that everybody has, unless their token has not."""
        found = self.world.seen_groups(self.person, self.caller.id)
        await self._list("groups", None, found, lambda page: groups.groups(self.pool, self.caller, page))
        group = self.numbers.choice(list(self.world.groups.values()))
        name = next(name for name, one in self.world.groups.items() if one is group)
        members = {user for within, user, _ in self.world.members if within == name}
        seen = group.id in found
        await self._list(
            f"members of {name}", None, members if seen else None,
            lambda page: groups.members(self.pool, self.caller, group.id, page), key="userId",
        )  # fmt: skip
        await self._single(f"group {name}", None, seen, lambda: groups.group(self.pool, self.caller, group.id))
        told = await self._single(
            f"permissions of {name}", None, seen, lambda: groups.permissions(self.pool, self.caller, group.id)
        )
        if told is not None:
            line = [self.world.groups[above] for above in self.world.line(name)]
            assert set(told[3]) == {permission for above in line for permission in above.permissions}

    async def _list(
        self, what: str, permissions: tuple[str, ...] | None, expected: set[str] | None, read: Read, key: str = "id"
    ) -> None:
        """Walked to its end in pages of any size; None: it must not be found. Totals stand on every page."""
        size, token, number = self.numbers.randint(1, 5), None, 1
        by_number = self.numbers.randrange(4) == 0
        found: list[str] = []
        while True:
            request = PageRequest(size, None if by_number else token, number if by_number else 1)
            try:
                page = await read(request)
            except Forbidden:
                assert not self._somewhere(permissions), f"{what} is forbidden"
                break
            except NotFound:
                assert self._somewhere(permissions), f"{what} is not found rather than forbidden"
                assert expected is None, f"{what} is not found"
                break
            assert self._somewhere(permissions), f"{what} is not forbidden"
            assert expected is not None, f"{what} is found"
            items = [item[key] for item in json.loads(page.items)]
            found += items
            assert (page.total, page.more) == (len(expected), False), f"{what}: {page.total} of {len(expected)}"
            assert page.has_next == (len(found) < len(expected)), what
            assert (page.next_token is not None) == page.has_next, what
            assert len(items) <= size, f"{what}: {items}"
            if not page.has_next:
                assert found == sorted(expected, reverse=True), f"{what}: {found} instead of {expected}"
                break
            token, number = page.next_token, number + 1
        self.compared += 1

    # --- single things ------------------------------------------------------------------------------------

    def _choose(self, of: dict[str, Any]) -> str:
        return self.numbers.choice([*of] * 4 + [new_id(), "1", "' or true --"])

    async def _single_models(self) -> None:
        pool, caller = self.pool, self.caller
        for permissions, name, read in (
            (MODEL, "model", registry.model),
            (MODEL, "access of model", registry.model_access),
            (TRAFFIC, "traffic of model", registry.traffic),
        ):
            id = self._choose(self.world.models)
            seen = id in self.world.models and self.world.sees_model(self.person, id, permissions)
            told = await self._single(f"{name} {id}", permissions, seen, partial(read, pool, caller, id))
            if told is not None and read is registry.traffic:
                served = {row["versionId"] for row in json.loads(told)}
                assert served == set(self.world.traffic.get(id, ()))
            if told is not None and read is registry.model:
                counts = json.loads(told)["versionsByState"]
                assert sum(counts.values()) == sum(1 for one in self._all_versions if one.model == id)
        one = self.numbers.choice(self._all_versions)
        model, version = self.numbers.choice(((one.model, one.name), (one.model, "77.0.0"), (new_id(), one.name)))
        seen = (model, version) == (one.model, one.name) and self.world.sees_model(self.person, model, MODEL)
        await self._single(
            f"version {version} of {model}", MODEL, seen, lambda: registry.version(pool, caller, model, version)
        )
        id = self._choose(self.world.artifacts)
        seen = id in self.world.artifacts
        if seen:
            part = self.world.artifacts[id]
            model, version = part.model, self.world.versions[part.version].name
            seen = self.world.sees_model(self.person, model, ("model:download",))
        await self._single(
            f"artifact {id}", ("model:download",), seen,
            lambda: registry.stored_artifact(pool, caller, model, version, id),
        )  # fmt: skip

    async def _single_others(self) -> None:
        pool, caller, world = self.pool, self.caller, self.world
        id = self._choose(world.datasets)
        seen = id in world.datasets and world.sees_dataset(self.person, id)
        await self._single(f"dataset {id}", DATASET, seen, lambda: evaluations.dataset(pool, caller, id))
        suite = self._choose(world.suites)
        seen = suite in world.suites and world.sees_model(self.person, world.suites[suite].model, MODEL)
        await self._single(f"suite {suite}", MODEL, seen, lambda: evaluations.suite(pool, caller, suite))
        for read in (evaluations.evaluation_status, evaluations.evaluation_results):
            run = self._choose(world.evaluations)
            seen = run in world.evaluations and world.sees_model(self.person, world.evaluations[run].model, HISTORY)
            await self._single(f"evaluation {run}", HISTORY, seen, partial(read, pool, caller, run))
        ways: tuple[Callable[..., Awaitable[Any]], ...] = (requests.request, run_page.run_page)
        for way in ways:
            asked = self._choose(world.requests)
            seen = asked in world.requests and world.sees_model(
                self.person, world.versions[world.requests[asked].version].model, HISTORY
            )
            await self._single(f"request {asked}", HISTORY, seen, partial(way, pool, caller, asked))

    async def _single(
        self, what: str, permissions: tuple[str, ...] | None, seen: bool, read: Callable[[], Awaitable[Any]]
    ) -> Any:
        self.compared += 1
        try:
            told = await read()
        except Forbidden:
            assert not self._somewhere(permissions), f"{what} is forbidden"
            return None
        except NotFound:
            assert self._somewhere(permissions), f"{what} is not found rather than forbidden"
            assert not seen, f"{what} is not found"
            return None
        assert self._somewhere(permissions), f"{what} is not forbidden"
        assert seen, f"{what} is shown"
        return told

    def _somewhere(self, permissions: tuple[str, ...] | None) -> bool:
        return permissions is None or any(may_somewhere(self.person, permission) for permission in permissions)


def _all(tests: list[Callable[[Asset], bool]], one: Asset) -> bool:
    return all(test(one) for test in tests)


async def callers(
    pool: AsyncConnectionPool, world: World, user_id: str, numbers: random.Random
) -> tuple[tuple[Principal, Person], ...]:
    """A user as they are, and in one of the ways in which a call can be narrowed; nobody once they are gone."""
    principal = await people.principal_of_user(pool, user_id)
    assert (principal is not None) == world.is_there(user_id), f"{world.users[user_id].name} is there: {principal}"
    if principal is None:
        return ()
    person = world.person(user_id)
    found = [(principal, person)]
    narrowing = numbers.randrange(4)
    if narrowing == 0 and person.groups:
        group = numbers.choice(sorted(person.groups))
        found.append((principal.narrowed_to(group=group), person.narrowed(acting_for=group)))
    elif narrowing == 1 and (person.workspace or principal.is_admin):
        place = person.workspace or numbers.choice(("north", "south"))
        found.append((principal.narrowed_to(workspace=place), person.narrowed(working_in=place)))
    elif narrowing == 2:
        scopes = frozenset(numbers.sample(["model:read", "dataset:read", "*:read", "model:*", "lineage:read"], 1))
        found.append((replace(principal, scopes=scopes), replace(person, scopes=scopes)))
    return tuple(found)
