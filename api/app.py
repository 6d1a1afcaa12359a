"""The application: routes, errors, and what lives as long as the process does."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from psycopg_pool import AsyncConnectionPool

from api import dashboard, docs, errors
from api.description import DescribedApi
from api.envelope import failure
from api.limits import PrincipalLimit, RequestLimits
from api.metering import Metering, RequestMeter
from api.middleware import JSON_LIMIT, BodyTooLarge, CallContext
from api.routes import PUBLIC, ROUTERS
from api.signing_in import SignInGate
from storage.audit_log.running import copier_of, sequencer_of
from storage.composition import Platform, now
from storage.metrics.recorder import Recorder
from storage.queries.people import KnownCallers

log = logging.getLogger("gatehouse.api")

DESCRIPTION = """
Gatehouse decides, records and proves which AI models may reach production.

A model version moves only through a **transition request**: `POST …/transitions` answers 202 with a `Location`; a
Prefect flow gathers the evidence, gates judge it, people approve exactly that, and one transaction settles it.

Every answer has the same envelope; every refusal has a `code`, a sentence, and whether trying again helps. Lists are
continued by `nextToken`. Writes take an `Idempotency-Key`; changes of a version take `If-Match`.
"""


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(platform: Platform, *, sequence_audit: bool = True) -> FastAPI:
    """`sequence_audit`: run the audit log's sequencer in this process; one of all processes leads."""
    guarded = dashboard.Dashboard(platform)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.platform = platform
        app.state.principal_limit = PrincipalLimit(platform.settings)
        app.state.sign_in_gate = SignInGate(platform.settings)
        if platform.settings.artifact_store == "s3":
            from storage.artifacts.from_settings import probe_store

            found = await run_in_threadpool(probe_store, platform.settings, now())
            log.info("artifact store %s: %s", platform.settings.s3_bucket, found)
        app.state.copier = copier = await run_in_threadpool(copier_of, platform)
        pool = AsyncConnectionPool(
            platform.settings.database_url,
            min_size=1,
            max_size=platform.pool_size,
            timeout=5,
            kwargs={"autocommit": True, "connect_timeout": 5},
            open=False,
        )
        await pool.open()
        app.state.pool = pool
        app.state.callers = KnownCallers()
        app.state.recorder = recorder = Recorder(platform)
        guarded.open()
        stop = threading.Event()
        sequencer = threading.Thread(
            target=sequencer_of(platform).run, args=(stop,), name="audit-sequencer", daemon=True
        )
        threads = [sequencer]
        if copier is not None:
            threads.append(threading.Thread(target=copier.run, args=(stop,), name="checkpoint-copier", daemon=True))
        if sequence_audit:
            for thread in threads:
                thread.start()
        try:
            yield
        finally:
            stop.set()
            if sequence_audit:
                for thread in threads:
                    thread.join(timeout=5)
            await recorder.close()
            await guarded.close()
            await pool.close()
            platform.close()

    app = DescribedApi(
        title="Gatehouse",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    app.public = PUBLIC
    for router in ROUTERS:  # one flat list: looking into twenty included routers takes longer than most handlers
        app.router.routes.extend(router.routes)
    docs.mount(app)
    dashboard.mount(app, guarded)
    errors.register(app)
    app.add_exception_handler(BodyTooLarge, _too_large)
    app.add_middleware(RequestLimits, settings=platform.settings)
    app.add_middleware(CallContext, https=platform.settings.api_url.startswith("https:"))
    app.state.meter = meter = RequestMeter()
    app.add_middleware(Metering, meter=meter)
    return app


def _too_large(request: Request, error: Exception) -> Response:
    return failure(request, 413, "PAYLOAD_TOO_LARGE", f"A JSON body may have at most {JSON_LIMIT} bytes.")


def app() -> FastAPI:
    """For `uvicorn --factory`: everything from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return create_app(Platform.from_environment())
