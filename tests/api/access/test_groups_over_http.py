"""Groups: what members of one below see, who manages whom, what a group gives, and contexts that only narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import groups
from storage.composition import new_id
from tests.api.access.world import World
from tests.api.served import data, refusal
from tests.fixtures.registry import ADMIN, APPROVER, DEVELOPER
from tests.governance.operations.situations import query

VIEWER = (Role.VIEWER,)
SignIn = Callable[[Principal], httpx.Client]


@pytest.fixture
def sign_in(world: World) -> Iterator[SignIn]:
    opened: list[httpx.Client] = []

    def new(who: Principal) -> httpx.Client:
        opened.append(world.api.with_token(world.registry.token(who)[0]))
        return opened[-1]

    yield new
    for client in opened:
        client.close()


def new_group(world: World, parent: str | None = None, **more: Any) -> str:
    """The name of a new group."""
    name = f"g-{new_id()}"
    r = world.registry
    groups.create_group(r.unit(), r.call(None), groups.NewGroup(name, parent=parent, **more))
    return name


def line(world: World, *levels: int) -> list[str]:
    """Groups one below the other, with these admin levels."""
    made: list[str] = []
    for level in levels:
        made.append(new_group(world, made[-1] if made else None, admin_level=level))
    return made


def id_of(world: World, name: str) -> str:
    return str(query(world.registry, "select id from groups where name = %s", name)[0][0])


def someone(world: World, roles: Sequence[Role], *in_groups: str, **more: Any) -> Principal:
    return world.registry.person(f"person-{new_id()}", roles, *in_groups, **more)


def model_of(world: World, group: str, **access: Any) -> str:
    return world.registry.model(group=group, access=access)


def add(client: httpx.Client, world: World, group: str, who: Principal) -> httpx.Response:
    return client.post(f"/api/v1/groups/{id_of(world, group)}/members", json={"userId": who.id})


def members(world: World, group: str) -> set[str]:
    statement = "select user_id::text from group_members m join groups g on g.id = m.group_id where g.name = %s"
    return {user for (user,) in query(world.registry, statement, group)}


# --- the hierarchy ----------------------------------------------------------------------------------------


def test_members_of_a_group_below_see_what_the_one_above_may_and_not_the_reverse(world: World, sign_in: SignIn) -> None:
    above, below = line(world, 0, 0)
    sibling = new_group(world, above)
    of_above, of_below = model_of(world, above), model_of(world, below)
    seen = {}
    for group in (above, below, sibling):
        client = sign_in(someone(world, VIEWER, group))
        seen[group] = [client.get(f"/api/v1/models/{model}").status_code for model in (of_above, of_below)]
    assert seen == {above: [200, 404], below: [200, 200], sibling: [200, 404]}


def test_moving_a_group_takes_its_members_along_with_their_next_call(world: World, sign_in: SignIn) -> None:
    above, below = new_group(world), new_group(world)
    model = model_of(world, above)
    client = sign_in(someone(world, VIEWER, below))
    refusal(client.get(f"/api/v1/models/{model}"), 404, "MODEL_NOT_FOUND")
    path = f"/api/v1/groups/{id_of(world, below)}"
    data(world.api.admin.put(path, json={"parent": above}))
    assert data(client.get(f"/api/v1/models/{model}"))["id"] == model
    data(world.api.admin.put(path, json={"parent": ""}))
    refusal(client.get(f"/api/v1/models/{model}"), 404, "MODEL_NOT_FOUND")


def test_what_is_closed_to_the_group_above_is_closed_to_those_below(world: World, sign_in: SignIn) -> None:
    above, below = line(world, 0, 0)
    own = new_group(world)
    model = model_of(world, own, allowedGroups=[below], restrictedGroups=[above])
    for roles in (VIEWER, DEVELOPER, APPROVER, ADMIN):
        client = sign_in(someone(world, roles, below, own))
        refusal(client.get(f"/api/v1/models/{model}"), 404, "MODEL_NOT_FOUND")


# --- admin levels -----------------------------------------------------------------------------------------

# What is neither one's own nor managed is told like what does not exist.
# Admin level -> (may it manage itself, the one below, one below of level 3, one beside it)
MANAGES = {
    0: (403, 404, 404, 404),
    1: (403, 201, 403, 404),
    2: (403, 201, 403, 404),
    3: (201, 201, 201, 404),
}


@pytest.mark.parametrize("level", MANAGES)
def test_an_admin_level_manages_so_far(world: World, sign_in: SignIn, level: int) -> None:
    top, below = line(world, level, 0)
    high, beside = new_group(world, top, admin_level=3), new_group(world)
    client = sign_in(someone(world, (), top))
    shown = [client.get(f"/api/v1/groups/{id_of(world, name)}").status_code for name in (top, below, high, beside)]
    assert shown == [404 if status == 404 else 200 for status in MANAGES[level]]
    found, newcomers = [], []
    for group in (top, below, high, beside):
        newcomer = someone(world, ())
        answer = add(client, world, group, newcomer)
        found.append(answer.status_code)
        newcomers.append((group, newcomer, answer.status_code == 201))
    assert tuple(found) == MANAGES[level]
    for group, newcomer, added in newcomers:
        assert (newcomer.id in members(world, group)) is added
        if added:
            path = f"/api/v1/groups/{id_of(world, group)}/members/{newcomer.id}"
            assert data(client.delete(path)) is None
            assert newcomer.id not in members(world, group)


def test_members_of_a_group_below_do_not_manage_by_the_level_of_the_one_above(world: World, sign_in: SignIn) -> None:
    top, below, lowest = line(world, 3, 0, 0)
    client = sign_in(someone(world, (), below))
    for group, status in ((top, 403), (below, 403), (lowest, 404)):
        assert add(client, world, group, someone(world, ())).status_code == status
        assert len(members(world, group)) == (group == below)


@pytest.mark.parametrize(("level", "status"), [(0, 404), (1, 404), (2, 200), (3, 200)])
def test_sensitive_assets_take_level_two(world: World, sign_in: SignIn, level: int, status: int) -> None:
    group = new_group(world, admin_level=level)
    owner = new_group(world, admin_level=2)
    model = model_of(world, owner, allowedGroups=[group], sensitive=True)
    client = sign_in(someone(world, VIEWER, group))
    assert client.get(f"/api/v1/models/{model}").status_code == status
    listed = client.get("/api/v1/models", params={"group": owner}).json()
    assert (len(listed["data"]), listed["pagination"]["totalCount"]) == ((1, 1) if status == 200 else (0, 0))


@pytest.mark.parametrize("who", ["themselves", "their service account", "the owner", "another service account"])
def test_nobody_puts_themselves_into_a_group(world: World, sign_in: SignIn, who: str) -> None:
    """Neither their service account, nor as one their owner, nor one service account another."""
    top, below = line(world, 3, 0)
    person = someone(world, (), top)
    service = someone(world, (), top, kind="service", owner=person.name)
    other = someone(world, (), kind="service", owner=person.name)
    acting = person if who in ("themselves", "their service account") else service
    added = {
        "themselves": person, "their service account": other, "the owner": person, "another service account": other
    }[who]  # fmt: skip
    client = sign_in(acting)
    refusal(add(client, world, below, added), 403, "FORBIDDEN")
    assert added.id not in members(world, below)
    data(add(client, world, below, someone(world, ())), 201)


def test_administrators_who_act_for_one_group_manage_no_other(world: World, sign_in: SignIn) -> None:
    one, other = new_group(world), new_group(world)
    client = sign_in(someone(world, ADMIN, one))
    client.headers["X-Group-Context"] = one
    newcomer = someone(world, ())
    refusal(add(client, world, other, newcomer), 404, "GROUP_NOT_FOUND")
    del client.headers["X-Group-Context"]
    data(add(client, world, other, newcomer), 201)


def test_a_token_for_less_manages_nobody(world: World) -> None:
    top, below = line(world, 1, 0)
    token, _ = world.registry.token(someone(world, (), top), scopes=["group:read"])
    with world.api.with_token(token) as client:
        refusal(add(client, world, below, someone(world, ())), 403, "FORBIDDEN")


# --- circles and depth ------------------------------------------------------------------------------------


def set_parent(world: World, group: str, parent: str | None) -> None:
    query(
        world.registry,
        "update groups set parent_id = (select id from groups where name = %s) where name = %s",
        *(parent, group),
    )


def test_no_group_is_above_itself(world: World) -> None:
    names = line(world, 0, 0, 0)
    for group in names:
        answer = world.api.admin.put(f"/api/v1/groups/{id_of(world, names[0])}", json={"parent": group})
        refusal(answer, 400, "INVALID_INPUT")
        with pytest.raises(IntegrityError, match="circle"):
            set_parent(world, names[0], group)
    a, b = new_group(world), new_group(world)
    with pytest.raises(IntegrityError, match="circle"):  # both in one statement
        query(
            world.registry,
            "update groups g set parent_id = o.id from groups o where g.name in (%s, %s) and o.name in (%s, %s) "
            "and g.id <> o.id",
            *(a, b, a, b),
        )


def test_ten_levels_and_no_more(world: World) -> None:
    names = line(world, *[0] * 10)
    body = {"name": f"g-{new_id()}", "parent": names[-1]}
    refusal(world.api.admin.post("/api/v1/groups", json=body), 400, "INVALID_INPUT")
    single = new_group(world)
    answer = world.api.admin.put(f"/api/v1/groups/{id_of(world, single)}", json={"parent": names[-1]})
    refusal(answer, 400, "INVALID_INPUT")
    with pytest.raises(IntegrityError, match="ten levels"):
        set_parent(world, single, names[-1])
    with pytest.raises(IntegrityError, match="ten levels"):
        query(
            world.registry,
            """insert into groups select gen_random_uuid(), %s, '', id, 0, 1, '{}', '{}', now(), now()
               from groups where name = %s""",
            *(f"g-{new_id()}", names[-1]),
        )


@pytest.mark.parametrize(("above", "below", "fits"), [(5, 5, True), (5, 6, False), (9, 2, False), (1, 10, False)])
def test_a_group_moves_with_those_below_it(world: World, above: int, below: int, fits: bool) -> None:
    upper, lower = line(world, *[0] * above), line(world, *[0] * below)
    path = f"/api/v1/groups/{id_of(world, lower[0])}"
    if fits:
        assert data(world.api.admin.put(path, json={"parent": upper[-1]}))["parent"] == upper[-1]
        return
    refusal(world.api.admin.put(path, json={"parent": upper[-1]}), 400, "INVALID_INPUT")
    with pytest.raises(IntegrityError, match="ten levels"):
        set_parent(world, lower[0], upper[-1])
    pairs = list(pairwise(lower))
    parents = query(
        world.registry,
        "select p.name, g.name from groups g join groups p on p.id = g.parent_id where g.name = any(%s)",
        lower,
    )
    assert sorted(parents) == sorted(pairs)


# --- what a group gives -----------------------------------------------------------------------------------


def test_what_a_group_gives_is_for_its_own_assets(world: World, sign_in: SignIn) -> None:
    giving = new_group(world, permissions=["model:read", "model:update"])
    also, apart = new_group(world), new_group(world)
    own, shared, foreign = (
        model_of(world, giving),
        model_of(world, also, allowedGroups=[giving]),
        model_of(world, apart),
    )
    second = model_of(world, also)
    for model in (own, shared, foreign, second):
        world.registry.version(model, weights=None)
    client = sign_in(someone(world, (), giving, also))  # a member of `also`, too, which gives nothing
    reads = [client.get(f"/api/v1/models/{model}").status_code for model in (own, shared, foreign, second)]
    assert reads == [200, 200, 404, 404]
    changes = [
        client.put(
            f"/api/v1/models/{model}/versions/1.0.0/metadata", json={"metadata": {}}, headers={"If-Match": '"1"'}
        ).status_code
        for model in (own, shared, foreign, second)
    ]
    assert changes == [200, 403, 404, 404]
    listed = client.get("/api/v1/models", params={"pageSize": 200}).json()
    assert {item["id"] for item in listed["data"]} == {own, shared}
    assert listed["pagination"]["totalCount"] == 2


@pytest.mark.parametrize(
    "permission",
    ["*", "*:read", "approval:decide", "approval:*", "production:rollback", "policy:update", "group:update",
     "user:read", "dashboard:use", "self:manage", "audit:read", "compliance:read", "package:upload", "model:fly", ""],
)  # fmt: skip
def test_what_no_group_gives(world: World, permission: str) -> None:
    before = world.api.stored()
    body = {"name": f"g-{new_id()}", "permissions": ["model:read", permission]}
    refusal(world.api.admin.post("/api/v1/groups", json=body), 400, "INVALID_INPUT")
    path = f"/api/v1/groups/{world.group}"
    refusal(world.api.admin.put(path, json={"permissions": [permission]}), 400, "INVALID_INPUT")
    assert world.api.stored() == before


# --- contexts narrow --------------------------------------------------------------------------------------


def ids(client: httpx.Client, **headers: str) -> set[str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {item["id"] for item in data(client.get("/api/v1/models", params={"pageSize": 200}, headers=named))}


@pytest.mark.parametrize("roles", [VIEWER, DEVELOPER, APPROVER, ADMIN], ids=lambda roles: str(roles[0]))
def test_a_group_context_narrows(world: World, sign_in: SignIn, roles: Sequence[Role]) -> None:
    one, other, apart = (new_group(world) for _ in range(3))
    of_one, of_other, of_apart = (model_of(world, group) for group in (one, other, apart))
    closed = model_of(world, one)
    data(world.api.admin.put(f"/api/v1/models/{closed}/access", json={"restrictedGroups": [other]}))
    client = sign_in(someone(world, roles, one, other))
    everything = ids(client)
    narrowed = ids(client, X_Group_Context=one)
    assert narrowed < everything
    assert of_one in narrowed
    assert not {of_other, of_apart} & narrowed
    assert closed not in everything | narrowed, "a restriction holds in every context"
    headers = {"X-Group-Context": one}
    assert client.get(f"/api/v1/models/{of_one}", headers=headers).status_code == 200
    for model in (of_other, of_apart, closed):
        refusal(client.get(f"/api/v1/models/{model}", headers=headers), 404, "MODEL_NOT_FOUND")
    for group in (apart, f"g-{new_id()}", "", "*"):
        answer = client.get("/api/v1/models", headers={"X-Group-Context": group})
        refusal(answer, 403, "FORBIDDEN")


def test_a_context_of_the_group_above_leaves_out_the_one_below(world: World, sign_in: SignIn) -> None:
    above, below = line(world, 0, 0)
    of_above, of_below = model_of(world, above), model_of(world, below)
    client = sign_in(someone(world, VIEWER, below))
    assert {of_above, of_below} <= ids(client)
    assert ids(client, X_Group_Context=above) & {of_above, of_below} == {of_above}
    assert ids(client, X_Group_Context=below) & {of_above, of_below} == {of_below}


@pytest.mark.parametrize("roles", [VIEWER, APPROVER, ADMIN], ids=lambda roles: str(roles[0]))
def test_a_workspace_narrows(world: World, sign_in: SignIn, roles: Sequence[Role]) -> None:
    group, space = new_group(world), f"space-{new_id()}"
    world.registry.change(world.registry.dev.id, attributes={"workspace": space})
    world.registry.dev = world.registry.principal(world.registry.dev.id)
    inside, outside = model_of(world, group, workspace=space), model_of(world, group)
    client = sign_in(someone(world, roles, group, attributes={"workspace": space}))
    assert {inside, outside} <= ids(client)
    assert ids(client, X_Workspace_Id=space) == {inside}
    if roles != ADMIN:
        refusal(client.get("/api/v1/models", headers={"X-Workspace-Id": "elsewhere"}), 403, "FORBIDDEN")
    else:
        assert ids(client, X_Workspace_Id="elsewhere") == set()


# --- attributes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "of_asset", "sees"),
    [
        ({}, {}, True),
        ({"workspace": "a"}, {"workspace": "a"}, True),
        ({"workspace": "b"}, {"workspace": "a"}, False),
        ({}, {"workspace": "a"}, False),
        ({"workspace": "a"}, {}, True),
        ({"department": "a"}, {"department": "a"}, True),
        ({"department": "A"}, {"department": "a"}, False),
        ({}, {"department": "a"}, False),
        ({"project": "a"}, {"project": "a"}, True),
        ({"project": "a"}, {"project": "b"}, False),
        ({"workspace": "a", "project": "a"}, {"workspace": "a", "project": "b"}, False),
        ({"clearanceLevel": 3}, {"clearanceLevel": 3}, True),
        ({"clearanceLevel": 2}, {"clearanceLevel": 3}, False),
        ({}, {"clearanceLevel": 1}, False),
        ({}, {"accessLevel": "confidential"}, False),
        ({}, {"accessLevel": "public"}, True),
    ],
)
def test_attributes_bound_what_is_seen(
    world: World, sign_in: SignIn, mine: dict[str, Any], of_asset: dict[str, Any], sees: bool
) -> None:
    group = new_group(world)
    model = model_of(world, group)
    answer = world.api.admin.put(f"/api/v1/models/{model}/access", json=of_asset)
    assert data(answer)["ownerGroups"] == [group]
    for roles in (VIEWER, DEVELOPER, APPROVER):
        client = sign_in(someone(world, roles, group, attributes=mine))
        assert (client.get(f"/api/v1/models/{model}").status_code == 200) is sees
        assert (model in ids(client)) is sees
        explained = client.get(
            "/api/v1/access/explain", params={"permission": "model:read", "kind": "model", "id": model}
        )
        assert explained.status_code == (200 if sees else 404)


# --- explaining -------------------------------------------------------------------------------------------


def explain(client: httpx.Client, permission: str, model: str | None = None, **more: str) -> httpx.Response:
    named = {"kind": "model", "id": model} if model else {}
    return client.get("/api/v1/access/explain", params={"permission": permission, **named, **more})


def test_explaining_names_the_policy_that_decided(world: World, sign_in: SignIn) -> None:
    own, giving = new_group(world), new_group(world, permissions=["model:read"])
    model = model_of(world, own, allowedGroups=[giving])
    cases: list[tuple[Principal, str, bool, list[str]]] = [
        (someone(world, VIEWER, own), "model:read", True, ["role-viewer"]),
        (someone(world, VIEWER, own), "model:update", False, []),
        (someone(world, DEVELOPER, own), "model:update", True, ["role-data-scientist", "role-ml-engineer"]),
        (someone(world, DEVELOPER, giving), "model:update", False, ["outside-your-groups"]),
        (someone(world, (), giving), "model:read", True, ["group-permission"]),
        (someone(world, APPROVER, own), "approval:decide", True, ["role-approver"]),
        (someone(world, ADMIN), "model:delete", True, ["role-catalog-admin"]),
    ]
    for person, permission, allowed, policies in cases:
        shown = data(explain(sign_in(person), permission, model))
        assert (shown["allowed"], shown["policies"], shown["user"]) == (allowed, policies, person.name)
        assert shown["reason"]
        about = data(explain(world.api.admin, permission, model, user=person.name))
        assert about == shown


def test_explaining_tells_nothing_about_what_is_not_seen(world: World, sign_in: SignIn) -> None:
    own, other = new_group(world), new_group(world)
    model = model_of(world, own)
    client = sign_in(someone(world, DEVELOPER, other))
    for permission in ("model:read", "model:update", "approval:decide", "user:delete", "self:read"):
        hidden = refusal(explain(client, permission, model), 404, "MODEL_NOT_FOUND")
        nothing = new_id()
        absent = refusal(explain(client, permission, nothing), 404, "MODEL_NOT_FOUND")
        assert hidden["message"].replace(model, "…") == absent["message"].replace(nothing, "…")
    owner = someone(world, VIEWER, own)
    refusal(explain(client, "model:read", user=owner.name), 403, "FORBIDDEN")
    refusal(explain(client, "model:read", user=f"nobody-{new_id()}"), 403, "FORBIDDEN")
    viewer = sign_in(someone(world, VIEWER, other))  # sees people, but not this model
    assert data(explain(viewer, "model:read", user=owner.name))["allowed"] is True
    refusal(explain(viewer, "model:read", model, user=owner.name), 404, "MODEL_NOT_FOUND")
