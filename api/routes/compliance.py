"""Compliance: versions in production against dated frameworks (catalog, Provenance & Auditing, Compliance)."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, PageDep, PlatformDep, PoolDep, identifier, permits
from api.envelope import listed, success
from api.schemas.base import answers
from api.schemas.compliance import (
    AssessmentRead,
    AttestationRead,
    ComplianceStatus,
    ComplianceValidation,
    ValidateCompliance,
)
from governance.canonical import rendered
from governance.compliance import DISCLAIMER, FRAMEWORKS, Assessment, Facts, assess, framework_named
from governance.compliance.attestation import attestation
from governance.compliance.summary import moment, summary, worst
from governance.errors import InvalidInput
from storage.composition import Platform, now
from storage.queries import compliance as views
from storage.queries.pages import PageRequest, page_of

router = APIRouter(prefix="/api/v1/compliance", tags=["Compliance"])

AsOf = Annotated[
    str | None, Query(alias="asOf", description="A date (2026-11-20) or a time with its zone; default: now.")
]
FrameworkName = Annotated[str | None, Query(alias="framework", description="One framework; default: all.")]


@router.get("/status", dependencies=permits("compliance:read"), responses=answers(ComplianceStatus, 400, 403, 404))
async def compliance_status(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    platform: PlatformDep,
    as_of: AsOf = None,
    framework: FrameworkName = None,
) -> Response:
    """Every framework on one date: its edition then, from when it binds, and how the versions in production stand."""
    at = moment(as_of, now())
    chosen = [framework_named(framework)] if framework else list(FRAMEWORKS.values())
    fleet = await views.in_production(pool, caller, at, limit=views.MOST_VERSIONS + 1, audit_months=_kept(platform))

    def summarised() -> bytes:
        complete = len(fleet) <= views.MOST_VERSIONS
        rows = [summary(one, fleet[: views.MOST_VERSIONS], at.date(), complete=complete) for one in chosen]
        return orjson.dumps({"asOf": rendered(at), "disclaimer": DISCLAIMER, "frameworks": rows})

    return success(request, await run_in_threadpool(summarised))


@router.get("/reports", dependencies=permits("compliance:read"), responses=answers(list[AssessmentRead], 400, 403, 404))
async def compliance_reports(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    platform: PlatformDep,
    framework: Annotated[str, Query(description="The framework to report on.")] = "eu-ai-act",
    as_of: AsOf = None,
    model_id: Annotated[str | None, Query(alias="modelId")] = None,
) -> Response:
    """Requirement by requirement, what each version in production met on the date, and why not."""
    one = framework_named(framework)

    def reported(fleet: list[Facts]) -> list[dict[str, Any]]:
        return [assess(one, facts).to_json() for facts in fleet]

    return await _told(request, caller, pool, platform, page, as_of, model_id, reported)


@router.post(
    "/validate", dependencies=permits("compliance:read"), responses=answers(ComplianceValidation, 400, 403, 404)
)
async def validate_compliance(
    body: ValidateCompliance, request: Request, caller: Caller, pool: PoolDep, platform: PlatformDep
) -> Response:
    """One version, in whatever state, against frameworks on a date; nothing is stored."""
    at = moment(body.as_of, now())
    chosen = [framework_named(name) for name in dict.fromkeys(body.frameworks)] or list(FRAMEWORKS.values())
    facts = await views.of_version(
        pool, caller, identifier("model", body.model_id), body.version, at, audit_months=_kept(platform)
    )
    found = [assess(one, facts) for one in chosen]
    data = {
        "disclaimer": DISCLAIMER,
        "status": worst([one.status for one in found]),
        "assessments": [one.to_json() for one in found],
    }
    return success(request, orjson.dumps(data))


@router.get(
    "/certifications",
    dependencies=permits("compliance:read"),
    responses=answers(list[AttestationRead], 400, 403, 404),
)
async def certifications(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    page: PageDep,
    platform: PlatformDep,
    as_of: AsOf = None,
    framework: FrameworkName = None,
    model_id: Annotated[str | None, Query(alias="modelId")] = None,
) -> Response:
    """Signed attestations by this platform for versions that met everything that applied on the date.

    They attest what the platform's own evidence shows; no accredited body has a part in them.
    """
    chosen = [framework_named(framework)] if framework else list(FRAMEWORKS.values())

    def attested(fleet: list[Facts]) -> list[dict[str, Any]]:
        found: list[Assessment] = [assess(one, facts) for facts in fleet for one in chosen]
        return [attestation(one, platform.signer) for one in found if one.status == "met" and one.facts.evidence_digest]

    return await _told(request, caller, pool, platform, page, as_of, model_id, attested)


async def _told(
    request: Request,
    caller: Caller,
    pool: PoolDep,
    platform: Platform,
    page: PageRequest,
    as_of: str | None,
    model_id: str | None,
    telling: Callable[[list[Facts]], list[dict[str, Any]]],
) -> Response:
    """One page of versions in production, and what `telling` says about them. Totals count versions."""
    if page.page != 1:
        raise InvalidInput("This list continues with nextToken, not with page.", details={"field": "page"})
    at, model = moment(as_of, now()), identifier("model", model_id) if model_id else None
    found = await views.in_production(
        pool, caller, at, after=page.after, model_id=model, limit=page.size + 1, audit_months=_kept(platform)
    )
    total = await views.count_in_production(pool, caller, at, model_id=model)
    rows = await run_in_threadpool(telling, found[: page.size])
    keys = [UUID(facts.model_id) for facts in found]
    return listed(request, page_of(orjson.dumps(rows).decode(), keys, total, page))


def _kept(platform: Platform) -> int | None:
    """For how many months entries of the audit log are kept; None for ever."""
    return platform.settings.audit_retention_months or None
