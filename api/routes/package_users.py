"""Users as the package registry knows them: bare bodies, exactly the shapes of its document."""

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import CallOf, PlatformDep, identifier, permits
from api.schemas.base import refusals
from api.schemas.people import (
    Authenticate,
    AuthenticateRead,
    MessageRead,
    PackageUserRead,
    PermissionsUpdate,
    Register,
)
from api.signing_in import login_token, sign_in
from governance.access.roles import PACKAGE_ADMIN, PackagePermission, Role
from governance.operations import people
from governance.people import User
from storage.composition import Platform
from storage.credentials import hash_password

router = APIRouter(tags=["Package registry"])


def _bare(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


@router.post("/authenticate", responses={200: {"model": AuthenticateRead}, **refusals(400, 401, 503)})
async def authenticate(body: Authenticate, request: Request, platform: PlatformDep) -> Response:
    """A token for a name and a password, with the calls that it is good for."""
    person = await sign_in(request, body.username, body.password)
    label, correlation = "package registry", request.state.correlation_id
    token, made = await run_in_threadpool(login_token, platform, person, label, correlation)
    return _bare({"token": token, "calls_remaining": made.calls})


@router.post(
    "/user/register",
    dependencies=permits("user:create"),
    status_code=201,
    responses={201: {"model": PackageUserRead}, **refusals(400, 401, 403, 409, 422, 503)},
)
async def register_user(body: Register, call: CallOf, platform: PlatformDep) -> Response:
    """Register a user with permissions of the package registry; `admin` is the role `catalog_admin`. Admins only."""
    password_hash = await run_in_threadpool(hash_password, body.password)
    new = people.NewUser(name=body.username, password_hash=password_hash, permissions=body.permissions)
    asked = body.model_dump(exclude={"password"})
    user_id = await run_in_threadpool(people.create_user, platform.new_unit(), call(asked), new)
    return _bare(_shown(await run_in_threadpool(_user, platform, user_id)), 201)


@router.put(
    "/user/{user_id}/permissions",
    dependencies=permits("user:update"),
    responses={200: {"model": PackageUserRead}, **refusals(400, 401, 403, 404, 409, 503)},
)
async def set_permissions(user_id: str, body: PermissionsUpdate, call: CallOf, platform: PlatformDep) -> Response:
    """Replace the permissions of a user. Admins only."""
    wanted = people.Access(permissions=body.permissions)
    found = identifier("user", user_id)
    return _bare(_shown(await run_in_threadpool(people.change_access, platform.new_unit(), call(), found, wanted)))


@router.delete(
    "/user/{user_id}",
    dependencies=permits("self:manage"),
    responses={200: {"model": MessageRead}, **refusals(400, 401, 403, 404, 409, 503)},
)
async def remove_user(user_id: str, call: CallOf, platform: PlatformDep) -> Response:
    """Delete a user: oneself, or as an admin anyone."""
    await run_in_threadpool(people.delete_user, platform.new_unit(), call(), identifier("user", user_id))
    return _bare({"message": "User deleted."})


def _user(platform: Platform, user_id: str) -> User:
    with platform.new_unit() as uow:
        return uow.people.get(user_id)


def _shown(user: User) -> dict[str, object]:
    """Admins automatically have all permissions (Permission System)."""
    if Role.CATALOG_ADMIN in user.roles:
        permissions = [*map(str, PackagePermission), PACKAGE_ADMIN]
    else:
        permissions = sorted(map(str, user.package_permissions))
    return {"user_id": user.id, "username": user.name, "permissions": permissions}
