"""Provenance: the same events as records, and the lineage of assets (catalog, Provenance & Auditing)."""

import orjson
from fastapi import APIRouter, Request, Response

from api.deps import Caller, PoolDep, permits_history
from api.envelope import listed, success
from api.filtering import EntryPageDep, FilterDep
from api.schemas.base import answers
from api.schemas.history import EntrySearch, LineageRead, ProvenanceRead
from governance.audit.filters import EntryFilter
from storage.queries import history as entries
from storage.queries import provenance as views

router = APIRouter(prefix="/api/v1/provenance", tags=["Provenance"])

_READ = permits_history("provenance:read")


@router.get(
    "", summary="List provenance records", dependencies=_READ, responses=answers(list[ProvenanceRead], 400, 403)
)
async def list_provenance(
    request: Request, caller: Caller, pool: PoolDep, asked: FilterDep, page: EntryPageDep
) -> Response:
    """Records of what happened to assets that the caller may see, newest first. What is not known is null."""
    where = entries.narrowed(views.seen_records(caller), asked)
    return listed(request, await views.records(pool, caller, where, page))


@router.post(
    "/query", summary="Query provenance", dependencies=_READ, responses=answers(list[ProvenanceRead], 400, 403)
)
async def query_provenance(body: EntrySearch, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """As the list, with a filter as JSON."""
    page = entries.EntryPage(body.page_size, body.next_token, body.order)
    where = entries.narrowed(views.seen_records(caller), EntryFilter.read(body.filter))
    return listed(request, await views.records(pool, caller, where, page))


@router.get(
    "/lineage/{artifact_id}",
    summary="Lineage of an asset",
    dependencies=permits_history("lineage:read"),
    responses=answers(LineageRead, 403, 404),
)
async def get_lineage(artifact_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """What a model, version, artifact or dataset came from and what came of it, by its id."""
    return success(request, orjson.dumps(await views.graph(pool, caller, artifact_id)))


@router.get(
    "/{record_id}", summary="One provenance record", dependencies=_READ, responses=answers(ProvenanceRead, 403, 404)
)
async def get_provenance(record_id: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
    """A record by the id of its event or by its number in the log."""
    return success(request, orjson.dumps(await views.one_record(pool, caller, record_id)))
