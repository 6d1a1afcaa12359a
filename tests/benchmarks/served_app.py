"""The application as it is served, plus one route that answers a constant: what HTTP itself costs here."""

from __future__ import annotations

import orjson
from fastapi import FastAPI, Response

from api.app import create_app
from storage.composition import Platform

CONSTANT_PATH = "/constant"
_CONSTANT = orjson.dumps({"success": True, "data": {"filling": "x" * 1400}})


def app() -> FastAPI:
    """For `uvicorn --factory`."""
    served = create_app(Platform.from_environment())

    @served.get(CONSTANT_PATH, include_in_schema=False)
    async def constant() -> Response:
        return Response(_CONSTANT, media_type="application/json")

    return served
