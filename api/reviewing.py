"""What a request shows beside its row: whether it is as it was frozen, and what changed since the last review."""

from __future__ import annotations

import json
from typing import Any

import orjson
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import AsyncConnectionPool

from governance.operations.reviewing import standing
from governance.requests import UNDECIDED
from governance.reviewing import since_last_review
from storage.composition import Platform
from storage.queries import requests as views


async def review_of(platform: Platform, pool: AsyncConnectionPool, shown: dict[str, Any]) -> dict[str, Any]:
    """{"unchanged", "difference", "notCounted", "sinceLastReview"} of a request as `views.request` shows it."""
    found: dict[str, Any] = {"unchanged": None, "difference": [], "notCounted": []}
    if shown["status"] in UNDECIDED and shown["evidence"] is not None:
        found = await run_in_threadpool(standing, platform.new_unit(), shown["id"])
    last = await views.last_review(pool, shown["id"]) if shown["evidence"] is not None else None
    return {**found, "sinceLastReview": since_last_review(last, shown["evidence"])}


async def reviewed(platform: Platform, pool: AsyncConnectionPool, data: str) -> bytes:
    """The JSON of a request with its review."""
    shown = json.loads(data)
    return orjson.dumps({**shown, **await review_of(platform, pool, shown)})
