"""Versions of a model: create, list, read, describe."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, expected_revision, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.registry import MetadataUpdate, VersionCreate, VersionRead
from governance.errors import RevisionRequired
from governance.lifecycle import VersionState
from governance.operations import registry
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1/models/{model_id}/versions", tags=["Versions"])


def version_path(model_id: str, version: str) -> str:
    return f"/api/v1/models/{model_id}/versions/{version}"


def _links(model_id: str, version: str) -> dict[str, str]:
    path = version_path(model_id, version)
    return {"self": path, "model": f"/api/v1/models/{model_id}", "transitions": f"{path}/transitions"}


@router.post(
    "",
    dependencies=permits("model:create"),
    status_code=201,
    responses=answers(VersionRead, 400, 403, 404, 409, 422, status=201),
)
async def create_version(
    model_id: str, body: VersionCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Register a version as a draft. Versions that differ only in build metadata are the same version."""
    found = identifier("model", model_id)
    new = registry.NewVersion(
        found, body.version, body.commit_sha, body.training_job_id, body.metadata, body.trained_by
    )
    await run_in_threadpool(registry.create_version, platform.new_unit(), call(body.model_dump()), new)
    data, revision = await views.version(pool, None, found, body.version)
    links = _links(found, body.version)
    return success(request, data, status=201, headers={"Location": links["self"], "ETag": f'"{revision}"'}, links=links)


@router.get("", dependencies=permits("model:read"), responses=answers(list[VersionRead], 400, 404))
async def list_versions(
    model_id: str,
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    state: Annotated[VersionState | None, Query()] = None,
) -> Response:
    """Versions of a model, newest first."""
    return listed(request, await views.versions(pool, caller, page, identifier("model", model_id), state=state))


@router.get("/{version}", dependencies=permits("model:read"), responses=answers(VersionRead, 404))
async def get_version(model_id: str, version: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One version with its artifacts. `ETag` is what `If-Match` of a change expects."""
    data, revision = await views.version(pool, caller, model_id, version)
    return success(request, data, headers={"ETag": f'"{revision}"'}, links=_links(model_id, version))


@router.put(
    "/{version}/metadata",
    dependencies=permits("model:update"),
    responses=answers(VersionRead, 400, 403, 404, 409, 412, 422, 428),
)
async def update_metadata(
    model_id: str,
    version: str,
    body: MetadataUpdate,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    if_match: Annotated[str | None, Header(alias="If-Match", description="The ETag that was read.")] = None,
) -> Response:
    """Replace the metadata of a version. A change after an approval voids the approval."""
    found = identifier("model", model_id)
    if if_match is None:
        raise RevisionRequired("Send If-Match with the ETag of the version that you read.")
    revision = expected_revision(if_match)
    await run_in_threadpool(
        registry.update_metadata,
        platform.new_unit(),
        call(body.model_dump(), revision),
        found,
        version,
        body.metadata,
        revision,
    )
    data, revision = await views.version(pool, None, found, version)
    return success(request, data, headers={"ETag": f'"{revision}"'}, links=_links(found, version))
