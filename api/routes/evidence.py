"""The evidence of a request, as an archive that a stranger checks offline."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import Caller, PlatformDep, permits
from api.schemas.base import refusals
from storage.artifacts.download_names import content_disposition
from storage.bundles import NotSealedYet, export

router = APIRouter(prefix="/api/v1/transition-requests", tags=["Transition requests"])

SEAL_SECONDS = 2.0
"""How long a call waits for its entries to come under a checkpoint; the sequencer needs one second at most."""

_ZIP = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/{request_id}/evidence",
    dependencies=permits("model:read", "provenance:read"),
    response_class=Response,
    responses={200: {"description": "The archive.", **_ZIP}, **refusals(400, 401, 403, 404, 409, 503)},
    summary="Evidence bundle",
)
async def evidence(
    request_id: str,
    caller: Caller,
    platform: PlatformDep,
    since: Annotated[
        int | None,
        Query(ge=1, le=2**53, description="Size of an older checkpoint that the audit log shall be proved to extend."),
    ] = None,
) -> Response:
    """Everything that was judged and decided, signed, with proofs from the audit log, and `verify.py` to check it.

    409 EVIDENCE_NOT_READY until evidence is frozen; 503 while the request's audit entries are not signed yet.
    """
    deadline = time.monotonic() + SEAL_SECONDS
    while True:
        try:
            name, archive = await run_in_threadpool(export, platform, caller, request_id, since)
            break
        except NotSealedYet:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
    headers = {"Content-Disposition": content_disposition(name), "Cache-Control": "private, no-store"}
    return Response(archive, headers=headers, media_type="application/zip")
