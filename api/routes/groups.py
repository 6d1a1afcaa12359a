"""Groups, what they permit, and who is in them (group-aware API)."""

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import (
    GroupCreate,
    GroupPermissionsRead,
    GroupRead,
    GroupUpdate,
    MemberAdd,
    MemberRead,
)
from governance.access.permissions import expanded
from governance.operations import groups
from storage.queries import groups as views

router = APIRouter(prefix="/api/v1/groups", tags=["Groups"])


@router.get("", dependencies=permits("group:read"), responses=answers(list[GroupRead], 400, 403))
async def list_groups(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """One's own groups and those above them, those whose members one manages; for administrators all."""
    return listed(request, await views.groups(pool, caller, page))


@router.post(
    "",
    dependencies=permits("group:create"),
    status_code=201,
    responses=answers(GroupRead, 400, 403, 409, 422, status=201),
)
async def create_group(
    body: GroupCreate, request: Request, caller: Caller, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Create a group. Its name is never changed and never given again. Needs `group:create`."""
    new = groups.NewGroup(
        name=body.name,
        description=body.description,
        parent=body.parent,
        admin_level=body.admin_level,
        access_level=body.data_access_level,
        permissions=body.permissions,
        external_names=body.external_names,
    )
    group_id = await run_in_threadpool(groups.create_group, platform.new_unit(), call(body.model_dump()), new)
    location = f"/api/v1/groups/{group_id}"
    return success(request, await views.group(pool, caller, group_id), status=201, headers={"Location": location})


@router.get("/{group_id}", dependencies=permits("group:read"), responses=answers(GroupRead, 403, 404))
async def get_group(group_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One group."""
    return success(request, await views.group(pool, caller, identifier("group", group_id)))


@router.put("/{group_id}", dependencies=permits("group:update"), responses=answers(GroupRead, 400, 403, 404))
async def change_group(
    group_id: str,
    body: GroupUpdate,
    request: Request,
    caller: Caller,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """Change a group; what is left out stays. It holds for its members from their next call on."""
    found = identifier("group", group_id)
    new = groups.NewGroup(
        name="",
        description=body.description,
        parent=body.parent,
        admin_level=body.admin_level,
        access_level=body.data_access_level,
        permissions=body.permissions,
        external_names=body.external_names,
    )
    await run_in_threadpool(groups.change_group, platform.new_unit(), call(), found, new)
    return success(request, await views.group(pool, caller, found))


@router.get(
    "/{group_id}/permissions", dependencies=permits("group:read"), responses=answers(GroupPermissionsRead, 403, 404)
)
async def group_permissions(group_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """What a group permits its members, with what they have from the groups above it."""
    name, level, access, given = await views.permissions(pool, caller, identifier("group", group_id))
    shown = {
        "group": name,
        "adminLevel": level,
        "dataAccessLevel": access,
        "permissions": given,
        "effective": sorted(expanded(given)),
    }
    return success(request, orjson.dumps(shown))


@router.get(
    "/{group_id}/members", dependencies=permits("group:read"), responses=answers(list[MemberRead], 400, 403, 404)
)
async def list_members(group_id: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The direct members of a group."""
    return listed(request, await views.members(pool, caller, identifier("group", group_id), page))


@router.post(
    "/{group_id}/members",
    dependencies=permits("group:read"),
    status_code=201,
    responses=answers(GroupRead, 400, 403, 404, 422, status=201),
)
async def add_member(
    group_id: str,
    body: MemberAdd,
    request: Request,
    caller: Caller,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """Put a user into a group: administrators, and who manages it by the admin level of a group above it."""
    found = identifier("group", group_id)
    await run_in_threadpool(groups.add_member, platform.new_unit(), call(), found, body.user_id)
    return success(request, await views.group(pool, caller, found), status=201)


@router.delete("/{group_id}/members/{user_id}", dependencies=permits("group:read"), responses=answers(None, 403, 404))
async def remove_member(group_id: str, user_id: str, request: Request, call: CallOf, platform: PlatformDep) -> Response:
    """Take a user out of a group, whoever put them in. An identity provider may put them in again at sign-in."""
    await run_in_threadpool(
        groups.remove_member,
        platform.new_unit(),
        call(),
        identifier("group", group_id),
        identifier("user", user_id),
    )
    return success(request, b"null")
