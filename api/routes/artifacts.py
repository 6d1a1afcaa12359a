"""Artifacts of a version: attach by upload or by reference, download by a signed address."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from api.deps import Caller, CallOf, PlatformDep, PoolDep, identifier, permits
from api.envelope import success
from api.routes.versions import version_path
from api.schemas.base import answers, refusals
from api.schemas.registry import ArtifactRead, ContainerReference
from api.uploads import receive
from governance.errors import InvalidInput
from governance.models import ArtifactType
from governance.operations import registry
from storage.composition import now
from storage.queries import registry as views

router = APIRouter(prefix="/api/v1/models/{model_id}/versions/{version}/artifacts", tags=["Artifacts"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": ContainerReference.model_json_schema()},
        },
    }
}


@router.post(
    "",
    dependencies=permits("model:update"),
    status_code=201,
    openapi_extra=_BODY,
    responses=answers(ArtifactRead, 400, 403, 404, 409, 413, 422, status=201),
)
async def upload_artifact(
    model_id: str,
    version: str,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    kind: Annotated[ArtifactType, Query(alias="type", description="What the artifact is.")],
    name: Annotated[str, Query(description="File name, unique among the version's artifacts of this type.")],
    license: Annotated[str | None, Query(description="SPDX identifier.")] = None,
    replace: Annotated[bool, Query(description="Replace an artifact of the same type and name.")] = False,
) -> Response:
    """Attach an artifact. Weights, tokenizer and config are the raw body, of any size up to the limit.

    The sha256 is computed while the bytes flow and compared with `Content-Digest` (RFC 9530) or `X-Content-SHA256`
    where one is sent. A container is JSON with its reference by digest.
    """
    found = identifier("model", model_id)
    asked = {"type": kind, "name": name, "license": license, "replace": replace}
    media_type = request.headers.get("content-type", "application/octet-stream").split(";")[0].strip()
    await run_in_threadpool(
        registry.check_can_attach, platform.new_unit(), call(), found, version, kind, name, media_type, license
    )
    if kind is ArtifactType.CONTAINER:
        reference = await _reference(request, media_type)
        new = registry.NewArtifact(
            found, version, kind, name, media_type, "", 0, reference.uri, reference.license or license, replace
        )
        asked["uri"] = reference.uri
    else:
        blob = await receive(request, platform.store, platform.settings.upload_limit)
        new = registry.NewArtifact(found, version, kind, name, media_type, blob.sha256, blob.size, "", license, replace)
        asked["sha256"] = blob.sha256
    artifact_id = await run_in_threadpool(registry.attach_artifact, platform.new_unit(), call(asked), new)
    download = f"{version_path(found, version)}/artifacts/{artifact_id}/download"
    return success(
        request,
        await views.artifact(pool, artifact_id),
        status=201,
        headers={"Location": download},
        links={"download": download, "version": version_path(found, version)},
    )


async def _reference(request: Request, media_type: str) -> ContainerReference:
    if media_type != "application/json":
        raise InvalidInput("A container is attached as JSON with its reference, not as bytes.")
    try:
        return ContainerReference.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


@router.get(
    "/{artifact_id}/download",
    dependencies=permits("model:download"),
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "To a short-lived signed address with range requests."},
        **refusals(400, 401, 404, 503),
    },
)
async def download_artifact(
    model_id: str,
    version: str,
    artifact_id: str,
    request: Request,
    caller: Caller,
    platform: PlatformDep,
    pool: PoolDep,
) -> Response:
    """A redirect to the bytes, by an address that is valid for minutes and for this artifact only."""
    kind, name, media_type, uri, sha256 = await views.stored_artifact(pool, caller, model_id, version, artifact_id)
    if kind == ArtifactType.CONTAINER:
        raise InvalidInput("A container is pulled from its registry.", details={"uri": uri})
    address = await run_in_threadpool(
        platform.store.download_url,
        sha256,
        filename=name,
        media_type=media_type,
        at=now(),
        ttl_seconds=platform.settings.download_seconds,
    )
    return RedirectResponse(address, status_code=307)
