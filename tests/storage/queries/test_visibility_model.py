"""On a random walk of a real registry, everybody is shown exactly what a plain model of it predicts."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import IntegrityError, OperationalError

from governance.access.roles import Role
from governance.errors import DependencyUnavailable, NotFound
from governance.operations import groups, people
from storage.queries.pages import PageRequest
from storage.queries.registry import models
from tests.fixtures.loops import run_async
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.access.plain import Person
from tests.governance.operations.situations import at_once, query
from tests.storage.queries.looking import Looking, callers
from tests.storage.queries.walk import LEVELS, Walk
from tests.storage.queries.world import Group, User, World

__all__ = ["shared_registry"]


def derived(registry: RegistryUnderTest) -> dict[str, tuple[Any, ...]]:
    """What the triggers made of memberships and groups, by user."""
    rows = query(
        registry,
        "select id::text, groups, every_group, senior_groups, group_permissions, access_level from users",
    )
    return {id: (groups, every, seniors, granted, level) for id, groups, every, seniors, granted, level in rows}


def expected(world: World) -> dict[str, tuple[Any, ...]]:
    found = {}
    for id in world.users:
        person = world.person(id)
        granted = {group: list(given) for group, given in person.groups.items()}
        found[id] = (sorted(world.direct(id)), sorted(person.groups), sorted(person.seniors), granted, person.level)
    return found


def epochs(registry: RegistryUnderTest) -> dict[str, int]:
    return dict(query(registry, "select id::text, access_epoch from users"))


def access_of(world: World, id: str) -> tuple[Person, bool]:
    return world.person(id), world.users[id].active


async def walk_and_look(registry: RegistryUnderTest, seed: int, steps: int) -> int:
    """How many reads were compared."""
    walk = Walk(registry, seed)
    numbers = random.Random(seed + 1)
    compared = 0
    async with AsyncConnectionPool(
        registry.settings.database_url, min_size=1, max_size=1, open=False, kwargs={"autocommit": True}
    ) as pool:
        known, before = epochs(registry), {id: access_of(walk.world, id) for id in walk.world.users}
        for number in range(steps):
            try:
                walk.step()
                assert derived(registry) == expected(walk.world)
                now = epochs(registry)
                for id, was in before.items():
                    if access_of(walk.world, id) != was:
                        assert now[id] > known[id], f"the access of {walk.world.users[id].name} changed unnoticed"
                known, before = now, {id: access_of(walk.world, id) for id in walk.world.users}
                users = list(walk.world.users)
                for id in users if number % 20 == 19 else numbers.sample(users, 2):
                    for principal, person in await callers(pool, walk.world, id, numbers):
                        looking = Looking(pool, walk.world, principal, person, numbers)
                        await looking.everything()
                        compared += looking.compared
            except Exception as error:
                error.add_note(f"seed {seed}, step {number}:\n" + "\n".join(walk.story[-12:]))
                raise
    return compared


def test_everybody_is_shown_what_the_model_predicts(registry_under_test: RegistryUnderTest) -> None:
    compared = run_async(walk_and_look(registry_under_test, seed=3, steps=60))
    assert compared > 3_000


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 106))
def test_everybody_is_shown_what_the_model_predicts_for_long(registry_under_test: RegistryUnderTest, seed: int) -> None:
    assert run_async(walk_and_look(registry_under_test, seed=seed, steps=400)) > 20_000


def test_searches_of_the_invisible_are_as_empty_as_searches_of_nothing(registry_under_test: RegistryUnderTest) -> None:
    """What is counted is what is shown: no filter makes a total speak of something that is hidden."""

    async def totals() -> set[tuple[str, int, bool, bool]]:
        registry = registry_under_test
        outsider = registry.person("olga", (Role.DATA_SCIENTIST,), "elsewhere")
        registry.model(name="secret-plan", tags=["hush"], owners=["nell@x.org"])
        async with AsyncConnectionPool(registry.settings.database_url, min_size=1, max_size=1, open=False) as pool:
            asked: list[dict[str, str]] = [
                {}, {"search": "secret"}, {"search": "%"}, {"group": "lab"}, {"tag": "hush"}, {"owner": "nell@x.org"},
                {"risk_tier": "Low"}, {"state": "draft"}, {"search": "nothing"},
            ]  # fmt: skip
            pages = [await models(pool, outsider, PageRequest(1), **filters) for filters in asked]
        return {(page.items, page.total, page.more, page.has_next) for page in pages}

    assert run_async(totals()) == {("[]", 0, False, False)}


# --- derived columns under concurrency --------------------------------------------------------------------


def stored_world(registry: RegistryUnderTest) -> World:
    """Groups, memberships and users as the tables hold them: what the derived columns must follow from."""
    world = World()
    rows = query(
        registry,
        """select g.id::text, g.name, p.name, g.admin_level, g.access_level, g.permissions
            from groups g left join groups p on p.id = g.parent_id""",
    )
    for id, name, parent, admin_level, level, permissions in rows:
        world.groups[name] = Group(id, parent, admin_level, level, tuple(permissions))
    members = "select g.name, m.user_id::text, m.source from group_members m join groups g on g.id = m.group_id"
    world.members = {(group, user, source) for group, user, source in query(registry, members)}
    world.users = {id: User(id, name) for id, name in query(registry, "select id::text, name from users")}
    return world


def random_change(registry: RegistryUnderTest, numbers: random.Random, by_hand: bool) -> Callable[[], object]:
    """A change of memberships or of a group, by an operation or by SQL; calling it again asks for the same."""
    names = [f"team-{number}" for number in range(6)]
    members = [str(id) for (id,) in query(registry, "select id from users where name like 'member-%%' order by name")]
    ids = dict[str, str](query(registry, "select name, id::text from groups"))
    user, group, some = numbers.choice(members), numbers.choice(names), numbers.sample(names, numbers.randint(0, 3))
    level, admin_level, call = numbers.randint(0, 2), numbers.randint(0, 3), registry.call(registry.admin)
    above = numbers.choice([*(name for name in names if name < group), ""])
    new = groups.NewGroup(group, None, above, admin_level, LEVELS[level], ("model:read",)[:level])

    def follow() -> None:
        with registry.unit() as uow:
            uow.groups.follow_claims(user, some, registry.at)
            uow.commit()

    def remove() -> None:
        with contextlib.suppress(NotFound):
            groups.remove_member(registry.unit(), call, ids[group], user)

    operations: list[Callable[[], object]] = [
        lambda: groups.add_member(registry.unit(), call, ids[group], user),
        remove,
        lambda: people.change_access(registry.unit(), call, user, people.Access(groups=some)),
        lambda: groups.change_group(registry.unit(), call, ids[group], new),
        follow,
    ]
    statements: list[Callable[[], object]] = [
        lambda: query(
            registry, "update groups set access_level = %s, admin_level = %s where name = any(%s)",
            level, admin_level, some,
        ),
        lambda: query(registry, "delete from group_members where user_id = %s and group_id = %s", user, ids[group]),
        lambda: query(
            registry,
            "insert into group_members select %s, unnest(%s::uuid[]), 'oidc', null, now() on conflict do nothing",
            ids[group], members,
        ),
    ]  # fmt: skip
    return numbers.choice([*operations, *statements] if by_hand else operations)


@pytest.mark.parametrize("times", [25, pytest.param(250, marks=pytest.mark.prove)])
@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_derived_is_right_after_changes_at_once(
    shared_registry: RegistryUnderTest, times: int, by_hand: bool
) -> None:
    """Operations never wait for each other in a circle. SQL written by hand may, and then one is asked to repeat."""
    registry = shared_registry
    registry.groups(*(f"team-{number}" for number in range(6)))
    for number in range(5):
        if not query(registry, "select 1 from users where name = %s", f"member-{number}"):
            registry.person(f"member-{number}", (), "team-0")
    before, refused = derived(registry), list[Exception]()

    def change(seed: int) -> None:
        numbers = random.Random(seed)
        for _ in range(times):
            wanted = random_change(registry, numbers, by_hand)
            for _ in range(20):
                try:
                    wanted()
                    break
                except (DependencyUnavailable, OperationalError) as error:
                    refused.append(error)

    assert at_once([lambda seed=seed: change(seed) for seed in range(8)]) == [None] * 8  # type: ignore[misc]
    assert derived(registry) == expected(stored_world(registry)) != before
    assert by_hand or not refused, f"{len(refused)} of {8 * times} changes were refused: {refused[0].__cause__}"


def test_a_membership_waits_for_a_change_of_its_group(registry_under_test: RegistryUnderTest) -> None:
    """The race by hand: each of the two transactions begins before the other is committed."""
    registry = registry_under_test
    registry.groups("team")
    member = registry.person("mira", ()).id
    ((team,),) = query(registry, "select id::text from groups where name = 'team'")
    with (
        psycopg.connect(registry.settings.database_url) as first,
        psycopg.connect(registry.settings.database_url) as second,
    ):
        second.execute("set lock_timeout = '200ms'")
        second.execute("select 1")
        first.execute("update groups set access_level = 2, admin_level = 3 where id = %s", (team,))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute("insert into group_members values (%s, %s, 'local', null, now())", (team, member))
        first.commit()
        second.rollback()
        second.execute("insert into group_members values (%s, %s, 'local', null, now())", (team, member))
        second.commit()
    assert derived(registry)[member] == (["team"], ["team"], ["team"], {"team": []}, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "update groups set name = 'other' where name = 'upper'",
        "update groups set parent_id = (select id from groups where name = 'lower') where name = 'upper'",
        "update groups set parent_id = id where name = 'upper'",
        "delete from groups where name = 'upper'",
    ],
)
def test_sql_that_would_break_the_derivation_is_refused(registry_under_test: RegistryUnderTest, statement: str) -> None:
    registry = registry_under_test
    registry.groups("upper", "lower")
    query(registry, "update groups set parent_id = (select id from groups where name = 'upper') where name = 'lower'")
    registry.person("mira", (), "lower")
    with pytest.raises(IntegrityError):
        query(registry, statement)
    assert derived(registry) == expected(stored_world(registry))


def test_memberships_are_not_truncated_past_the_triggers(registry_under_test: RegistryUnderTest) -> None:
    with pytest.raises(IntegrityError):
        query(registry_under_test, "truncate group_members")
    assert derived(registry_under_test) == expected(stored_world(registry_under_test))


@pytest.mark.parametrize(
    "values",
    ["every_group = '{platform}'", "access_level = 2", "groups = '{risk}', access_epoch = access_epoch + 1"],
)
def test_what_is_derived_is_not_set_by_hand(registry_under_test: RegistryUnderTest, values: str) -> None:
    with pytest.raises(IntegrityError):
        query(registry_under_test, f"update users set {values} where name = 'dana'")
    assert derived(registry_under_test) == expected(stored_world(registry_under_test))
