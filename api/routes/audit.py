"""The audit log: found, read, exported and proved; and what may not be removed from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api.deps import Caller, CallOf, PageDep, PlatformDep, PoolDep, identifier, permits_history
from api.envelope import listed, success
from api.filtering import EntryPageDep, FilterDep
from api.schemas.base import answers
from api.schemas.history import (
    AuditEntryDetail,
    AuditEntryRead,
    CheckpointRead,
    ConsistencyRead,
    EntrySearch,
    HoldCreate,
    HoldRead,
    InclusionRead,
)
from governance.audit.filters import EntryFilter
from governance.errors import InvalidInput, NotFound
from governance.operations import history
from storage.audit_log import proving
from storage.audit_log.exporting import Export
from storage.queries import history as views

router = APIRouter(prefix="/api/v1/audit", tags=["Audit log"])

_READ = permits_history("audit:read")
_MANAGE = permits_history("audit:manage")
_MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The entries; the last record has `end` and how many there were.",
        "content": {media: {"schema": {"type": "string"}} for media in _MEDIA.values()},
    }
}


@router.get("", summary="List audit entries", dependencies=_READ, responses=answers(list[AuditEntryRead], 400, 403))
async def list_audit_entries(
    request: Request, caller: Caller, pool: PoolDep, asked: FilterDep, page: EntryPageDep
) -> Response:
    """Entries that the caller may see, newest first. An entry appears here a fraction of a second after its change."""
    where = views.narrowed(views.seen_entries(caller, views.AUDIT, views.AUDIT), asked)
    return listed(request, await views.entries(pool, where, page))


@router.post(
    "/search",
    summary="Search the audit log",
    dependencies=_READ,
    responses=answers(list[AuditEntryRead], 400, 403),
)
async def search_audit_entries(body: EntrySearch, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """As the list, with a filter as JSON, which may also look for a piece of text in the entries."""
    asked = EntryFilter.read(body.filter)
    page = views.EntryPage(body.page_size, body.next_token, body.order)
    where = views.narrowed(views.seen_entries(caller, views.AUDIT, views.AUDIT), asked)
    return listed(request, await views.entries(pool, where, page))


@router.get(
    "/export",
    summary="Export the audit log",
    dependencies=_READ,
    responses={**answers(None, 400, 403, 429), **_EXPORTED},
)
async def export_audit_log(
    caller: Caller,
    call: CallOf,
    platform: PlatformDep,
    asked: FilterDep,
    form: Annotated[Literal["ndjson", "csv"], Query(alias="format")] = "ndjson",
) -> Response:
    """Every entry that the caller may see, oldest first, as a stream.

    The last record (NDJSON: `{"end":true,"entries":N,"checkpoint":…}`; CSV: a row that begins with `end`) says that
    nothing was cut off. Exporting is itself audited, before the first entry is sent.
    """
    try:
        sealed = await run_in_threadpool(proving.newest_checkpoint, platform)
    except NotFound:
        sealed = None
    where = views.narrowed(views.seen_entries(caller, views.AUDIT, views.AUDIT), asked)
    export = Export(platform.settings.database_url, where, form, sealed.note if sealed else None)
    await export.open()
    try:
        size = sealed.checkpoint.size if sealed else 0
        await run_in_threadpool(history.record_export, platform.new_unit(), call(), form, asked, size)
    except BaseException:
        export.close()
        raise
    name = f"audit-log.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(export.chunks(), media_type=_MEDIA[form], headers=headers)


@router.get(
    "/checkpoint",
    summary="The newest signed checkpoint",
    dependencies=_READ,
    responses=answers(CheckpointRead, 403, 404, 409),
)
async def get_checkpoint(request: Request, platform: PlatformDep) -> Response:
    """What the platform signed last about its log: a C2SP checkpoint. Keep it; the log can never contradict it."""
    sealed = await run_in_threadpool(proving.newest_checkpoint, platform)
    return success(request, orjson.dumps(sealed.to_json()))


@router.get(
    "/consistency",
    summary="Prove that the log only grew",
    dependencies=_READ,
    responses=answers(ConsistencyRead, 400, 403, 404, 409),
)
async def get_consistency(
    request: Request,
    platform: PlatformDep,
    first: Annotated[int, Query(ge=0, lt=2**63)],
    second: Annotated[int | None, Query(ge=0, lt=2**63, description="The newest checkpoint's size otherwise.")] = None,
) -> Response:
    """RFC 6962 section 2.1.2: the log of `first` entries is the beginning of the one of `second`."""
    proof = await run_in_threadpool(proving.prove_consistency, platform, first, second)
    return success(request, orjson.dumps(proof))


@router.get("/holds", summary="List legal holds", dependencies=_READ, responses=answers(list[HoldRead], 400, 403))
async def list_holds(request: Request, caller: Caller, pool: PoolDep, page: PageDep) -> Response:
    """Holds, newest first, also those that were released. Holds are for those who audit everything."""
    if not views.sees_everything(caller):
        return listed(request, await views.no_holds(page))
    return listed(request, await views.holds(pool, page))


@router.post(
    "/holds",
    summary="Place a legal hold",
    dependencies=_MANAGE,
    status_code=201,
    responses=answers(HoldRead, 400, 403, 404, 422, status=201),
)
async def place_hold(
    body: HoldCreate, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep
) -> Response:
    """Nothing that the hold covers is removed from the log, whatever the retention says."""
    model = identifier("model", body.model_id) if body.model_id is not None else None
    made = await run_in_threadpool(
        history.place_hold,
        platform.new_unit(),
        call(body.model_dump()),
        scope=body.scope,
        reason=body.reason,
        model_id=model,
        subject_kind=body.subject_kind,
        subject_id=body.subject_id,
        until=_moment(body.until),
    )
    path = f"/api/v1/audit/holds/{made}"
    return success(request, await views.hold(pool, made), status=201, headers={"Location": path})


@router.delete(
    "/holds/{hold_id}",
    summary="Release a legal hold",
    dependencies=_MANAGE,
    responses=answers(HoldRead, 403, 404, 409),
)
async def release_hold(hold_id: str, request: Request, call: CallOf, platform: PlatformDep, pool: PoolDep) -> Response:
    """The hold ends now; that it was there stays on record."""
    found = identifier("legal hold", hold_id)
    await run_in_threadpool(history.release_hold, platform.new_unit(), call(), found)
    return success(request, await views.hold(pool, found))


@router.get(
    "/{entry_id}",
    summary="One audit entry",
    dependencies=_READ,
    responses=answers(AuditEntryDetail, 403, 404),
)
async def get_audit_entry(entry_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """An entry by its number in the log or by the id of its event, with the bytes that were hashed."""
    data = await views.entry(pool, caller, entry_id)
    path = f"/api/v1/audit/{entry_id}"
    return success(request, data, links={"self": path, "proof": f"{path}/proof"})


@router.get(
    "/{entry_id}/proof",
    summary="Prove that an entry is in the signed log",
    dependencies=_READ,
    responses=answers(InclusionRead, 403, 404, 409),
)
async def get_inclusion(
    entry_id: str, request: Request, caller: Caller, platform: PlatformDep, pool: PoolDep
) -> Response:
    """RFC 6962 section 2.1.1, against the newest checkpoint. 409 for an entry that no checkpoint covers yet."""
    seq = await views.seq_of(pool, caller, entry_id)
    proof = await run_in_threadpool(proving.prove_inclusion, platform, seq)
    return success(request, orjson.dumps(proof))


def _moment(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidInput("until is a time such as 2027-01-31T12:00:00Z.", details={"field": "until"}) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if moment.year > 9000:
        raise InvalidInput("until lies before the year 9000.", details={"field": "until"})
    return moment
