"""Liveness and readiness, without a token and without details."""

import orjson
import psycopg
import psycopg_pool
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import PlatformDep, PoolDep
from api.envelope import success
from api.schemas.base import Success
from api.schemas.health import HealthRead, ReadyRead
from storage.prefect_api import PrefectLauncher
from storage.queries.registry import one

router = APIRouter(tags=["Health"])


@router.get("/health", responses={200: {"model": Success[HealthRead], "description": "Alive"}})
async def health(request: Request) -> Response:
    """The process answers."""
    return success(request, b'{"status":"alive"}')


@router.get(
    "/ready",
    responses={
        200: {"model": Success[ReadyRead], "description": "Ready"},
        503: {"model": Success[ReadyRead], "description": "Not without the database"},
    },
)
async def ready(request: Request, platform: PlatformDep, pool: PoolDep) -> Response:
    """Whether the dependencies answer; 503 without the database."""
    try:
        database = await one(pool, "select 1") is not None
    except (psycopg.OperationalError, psycopg_pool.PoolTimeout):
        database = False
    launcher = platform.launcher
    orchestrator = isinstance(launcher, PrefectLauncher) and await run_in_threadpool(launcher.healthy)
    copier = request.app.state.copier
    state = {
        "database": database,
        "orchestrator": orchestrator,
        "checkpointCopies": None if copier is None else copier.status.error is None,
    }
    return success(request, orjson.dumps(state), status=200 if database else 503)
