"""What is expected of a dataset: say it, draft it from the data, run it, read what was found."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, expected_revision, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.data_validation import (
    ExpectationsCreate,
    ExpectationsRead,
    ProfileRead,
    ValidationCreate,
    ValidationRead,
)
from governance.errors import DependencyUnavailable
from governance.operations import data_validation
from storage.composition import Platform
from storage.queries import data_validation as views
from storage.queries import evaluations

router = APIRouter(prefix="/api/v1/datasets/{dataset_id}", tags=["Data validation"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='Number of the newest version seen, "0" for none.')
]


def _start(platform: Platform, deployment: str, parameters: Mapping[str, str], title: str, location: str) -> None:
    """Raises DependencyUnavailable; what was asked is kept, and the same call under its key starts it."""
    key = next(iter(parameters.values()))
    try:
        platform.launcher.start(deployment, parameters, key=key, title=title)
    except DependencyUnavailable as error:
        raise DependencyUnavailable(error.message, details={**error.details, "location": location}) from error


@router.post(
    "/expectations",
    dependencies=permits("dataset:update"),
    status_code=201,
    responses=answers(ExpectationsRead, 400, 403, 404, 412, 422, status=201),
)
async def create_expectations(
    dataset_id: str,
    body: ExpectationsCreate,
    request: Request,
    call: CallOf,
    platform: PlatformDep,
    pool: PoolDep,
    if_match: IfMatch = None,
) -> Response:
    """Say what is expected of a dataset. Each call makes a new version, and versions never change.

    From then on a version of a model that is evaluated on the dataset is approved only when the data hold what is
    expected of them.
    """
    suite = await run_in_threadpool(
        data_validation.create_expectations,
        platform.new_unit(),
        call(body.model_dump(), if_match),
        identifier("dataset", dataset_id),
        [one.model_dump(by_alias=True) for one in body.expectations],
        body.source.model_dump(by_alias=True) if body.source else None,
        after=expected_revision(if_match) if if_match is not None else None,
    )
    location = f"/api/v1/datasets/{suite.dataset_id}/expectations/{suite.number}"
    shown, number = await views.expectations(pool, None, suite.dataset_id, suite.number)
    headers = {"Location": location, "ETag": f'"{number}"'}
    return success(request, shown, status=201, headers=headers, links={"self": location})


@router.get("/expectations", dependencies=permits("dataset:read"), responses=answers(ExpectationsRead, 404))
async def get_expectations(dataset_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """What is expected of a dataset now: the newest version."""
    shown, number = await views.expectations(pool, caller, identifier("dataset", dataset_id))
    return success(request, shown, headers={"ETag": f'"{number}"'})


@router.post(
    "/expectations/profile",
    dependencies=permits("dataset:update"),
    status_code=202,
    responses=answers(ProfileRead, 403, 404, 422, status=202),
)
async def profile_dataset(
    dataset_id: str, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Have a first draft of expectations made from the data. `Location` tells how it goes and holds the draft."""
    profile = await run_in_threadpool(
        data_validation.request_profile, platform.new_unit(), call(), identifier("dataset", dataset_id)
    )
    location = f"/api/v1/datasets/{profile.dataset_id}/expectations/profile/{profile.id}"
    if profile.status == "queued":
        title = f"profile dataset {profile.dataset_id}"
        await run_in_threadpool(_start, platform, "profile-data", {"profile_id": profile.id}, title, location)
    shown = await views.profile(pool, None, profile.dataset_id, profile.id)
    return success(request, shown, status=202, headers={"Location": location}, links={"self": location})


@router.get(
    "/expectations/profile/{profile_id}", dependencies=permits("dataset:read"), responses=answers(ProfileRead, 404)
)
async def get_profile(dataset_id: str, profile_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """One draft. It is used when somebody posts it as expectations."""
    asked = identifier("dataset", dataset_id), identifier("profile", profile_id)
    return success(request, await views.profile(pool, caller, *asked))


@router.get(
    "/expectations/{number}", dependencies=permits("dataset:read"), responses=answers(ExpectationsRead, 400, 404)
)
async def get_expectations_version(
    dataset_id: str, number: Number, request: Request, caller: Caller, pool: PoolDep
) -> Response:
    """One version of what is expected of a dataset."""
    shown, _ = await views.expectations(pool, caller, identifier("dataset", dataset_id), number)
    return success(request, shown, headers={"ETag": f'"{number}"'})


@router.post(
    "/validations",
    dependencies=permits("dataset:update"),
    status_code=202,
    responses=answers(ValidationRead, 400, 403, 404, 422, status=202),
)
async def validate_dataset(
    dataset_id: str, body: ValidationCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Have a dataset validated now. `Location` tells how it goes and what was found."""
    validation = await run_in_threadpool(
        data_validation.request_validation,
        platform.new_unit(),
        call(body.model_dump()),
        identifier("dataset", dataset_id),
        body.number,
    )
    location = f"/api/v1/datasets/{validation.dataset_id}/validations/{validation.id}"
    if validation.status == "queued":
        title = f"validate dataset {validation.dataset_id}"
        await run_in_threadpool(_start, platform, "validate-data", {"validation_id": validation.id}, title, location)
    shown = await views.validation(pool, None, validation.dataset_id, validation.id)
    return success(request, shown, status=202, headers={"Location": location}, links={"self": location})


@router.get("/validations", dependencies=permits("dataset:read"), responses=answers(list[ValidationRead], 400, 404))
async def list_validations(dataset_id: str, request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """The validations of a dataset, newest first."""
    known = identifier("dataset", dataset_id)
    await evaluations.dataset(pool, caller, known)  # what may not be seen does not exist
    return listed(request, await views.validations(pool, caller, known, page))


@router.get(
    "/validations/{validation_id}", dependencies=permits("dataset:read"), responses=answers(ValidationRead, 404)
)
async def get_validation(
    dataset_id: str, validation_id: str, request: Request, caller: Caller, pool: PoolDep
) -> Response:
    """One validation, with what does not hold in words."""
    asked = identifier("dataset", dataset_id), identifier("data validation", validation_id)
    return success(request, await views.validation(pool, caller, *asked))
