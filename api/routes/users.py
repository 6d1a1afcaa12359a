"""Users, for administrators."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.people import AccessUpdate, UserCreate, UserRead
from governance.errors import Forbidden
from governance.operations import people
from governance.people import Role
from storage.credentials import hash_password
from storage.queries import people as views

router = APIRouter(prefix="/api/v1/users", tags=["Users"])


@router.post("", status_code=201, responses=answers(UserRead, 400, 403, 409, 422, status=201))
async def create_user(
    body: UserCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Create a user. Needs the role admin."""
    made = call(body.name, body.role, body.groups)
    made.requires(people.ADMINS, "Creating a user")  # before the costly hash
    password_hash = await run_in_threadpool(hash_password, body.password)
    user_id = await run_in_threadpool(
        people.create_user,
        platform.new_unit(),
        made,
        name=body.name,
        role=body.role,
        groups=body.groups,
        password_hash=password_hash,
    )
    location = f"/api/v1/users/{user_id}"
    return success(request, await views.user(pool, user_id), status=201, headers={"Location": location})


@router.get("", responses=answers(list[UserRead], 400, 403))
async def list_users(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """Users, newest first. Needs the role admin."""
    if caller.role is not Role.ADMIN:
        raise Forbidden("Listing users needs the role admin.")
    return listed(request, await views.users(pool, page))


@router.put("/{user_id}/access", responses=answers(UserRead, 400, 403, 404))
async def change_access(
    user_id: str, body: AccessUpdate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Replace role, groups and activity. Decisions that are not settled yet are judged by the new access."""
    found = identifier("user", user_id)
    await run_in_threadpool(
        people.change_access,
        platform.new_unit(),
        call(),
        found,
        role=body.role,
        groups=body.groups,
        active=body.active,
    )
    return success(request, await views.user(pool, found))
