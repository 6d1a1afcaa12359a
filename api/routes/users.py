"""Users and service accounts, for administrators; everybody may close their own."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import CallOf, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import AccessUpdate, TimeZoneUpdate, UserCreate, UserRead
from governance.operations import people
from storage.credentials import hash_password
from storage.queries import people as views

router = APIRouter(prefix="/api/v1/users", tags=["Users"])


@router.post(
    "",
    dependencies=permits("user:create"),
    status_code=201,
    responses=answers(UserRead, 400, 403, 409, 422, status=201),
)
async def create_user(
    body: UserCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Create a user, or a service account of somebody. Needs `user:create`."""
    password_hash = await run_in_threadpool(hash_password, body.password) if body.password is not None else None
    new = people.NewUser(
        name=body.name,
        roles=body.roles,
        groups=body.groups,
        password_hash=password_hash,
        kind=body.kind,
        owner=body.owner,
        permissions=body.permissions,
        attributes=body.attributes.model_dump(by_alias=True),
    )
    asked = body.model_dump(exclude={"password"})
    user_id = await run_in_threadpool(people.create_user, platform.new_unit(), call(asked), new)
    location = f"/api/v1/users/{user_id}"
    return success(request, await views.user(pool, user_id), status=201, headers={"Location": location})


@router.get("", dependencies=permits("user:read"), responses=answers(list[UserRead], 400, 403))
async def list_users(request: Request, pool: PoolDep, page: PageDep) -> Response:
    """Users and service accounts, newest first, without those who were deleted. Needs `user:read`."""
    return listed(request, await views.users(pool, page))


@router.put("/me/time-zone", dependencies=permits("self:manage"), responses=answers(UserRead, 400, 403))
async def change_time_zone(
    body: TimeZoneUpdate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """In which time zone the caller is told when a freeze or a wait ends."""
    made = call()
    await run_in_threadpool(people.set_time_zone, platform.new_unit(), made, body.time_zone)
    return success(request, await views.user(pool, made.person.id))


@router.put("/{user_id}/access", dependencies=permits("user:update"), responses=answers(UserRead, 400, 403, 404, 409))
async def change_access(
    user_id: str, body: AccessUpdate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Change roles, groups, attributes or activity; what is left out stays. Needs `user:update`.

    It holds from the next call on, and decisions that are not settled yet are judged by the new access.
    """
    found = identifier("user", user_id)
    wanted = people.Access(
        roles=body.roles,
        groups=body.groups,
        active=body.active,
        permissions=body.permissions,
        attributes=body.attributes.model_dump(by_alias=True) if body.attributes is not None else None,
    )
    await run_in_threadpool(people.change_access, platform.new_unit(), call(), found, wanted)
    return success(request, await views.user(pool, found))


@router.delete("/{user_id}", dependencies=permits("self:manage"), responses=answers(None, 403, 404, 409))
async def delete_user(user_id: str, request: Request, call: CallOf, platform: PlatformDep) -> Response:
    """Close an account for ever: one's own, a service account of one's own, or with `user:delete` anybody's."""
    await run_in_threadpool(people.delete_user, platform.new_unit(), call(), identifier("user", user_id))
    return success(request, b"null")
