"""Every night: content that no record refers to is deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from prefect import flow, get_run_logger

from flows.runtime import platform
from storage.composition import Platform, now
from storage.repositories.references import referenced_contents

# Longer than the longest upload, so that content whose record is about to be written stays.
UNTOUCHED_FOR = timedelta(hours=24)


@flow(name="collect-garbage", persist_result=False)
async def collect_garbage() -> dict[str, int]:
    """Delete unreferenced content and what broken-off uploads left. Counts of both."""
    found = await asyncio.to_thread(collect, platform(), UNTOUCHED_FOR)
    get_run_logger().info("%(deleted)s contents and %(uploads)s broken uploads deleted", found)
    return found


def collect(platform: Platform, untouched_for: timedelta) -> dict[str, int]:
    before = now() - untouched_for
    store = platform.store
    deleted = 0
    for sha256 in store.unreferenced(lambda some: referenced_contents(platform.engine, some), older_than=before):
        deleted += store.delete(sha256, older_than=before)
    return {"deleted": deleted, "uploads": store.discard_uploads(older_than=before)}
