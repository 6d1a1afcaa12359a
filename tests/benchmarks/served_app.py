"""The application as it is served, plus two routes to compare with: one answers a constant, which is what HTTP itself
costs here; one reads a version for whoever is signed in, which is what reading costs without authorization.
"""

from __future__ import annotations

import orjson
from fastapi import FastAPI, Request, Response

from api.app import create_app
from api.deps import Caller, PoolDep
from api.envelope import success
from storage.composition import Platform
from storage.queries import registry

CONSTANT_PATH, OPEN_PATH = "/constant", "/open"
_CONSTANT = orjson.dumps({"success": True, "data": {"filling": "x" * 1400}})


def app() -> FastAPI:
    """For `uvicorn --factory`."""
    served = create_app(Platform.from_environment())

    @served.get(CONSTANT_PATH, include_in_schema=False)
    async def constant() -> Response:
        return Response(_CONSTANT, media_type="application/json")

    @served.get(OPEN_PATH + "/{model_id}/{version}", include_in_schema=False)
    async def open_version(model_id: str, version: str, request: Request, caller: Caller, pool: PoolDep) -> Response:
        data, revision = await registry.version(pool, None, model_id, version)
        return success(request, data, headers={"ETag": f'"{revision}"'})

    routes = served.router.routes
    routes.insert(1, routes.pop())  # found as soon as the route that it is compared with
    return served
