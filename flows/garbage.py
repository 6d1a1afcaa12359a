"""Every night: content that no record refers to is deleted."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from prefect import flow, get_run_logger

from flows.runtime import platform
from storage.composition import Platform, now
from storage.repositories.references import referenced_contents

# Longer than the longest upload, so that content whose record is about to be written stays.
UNTOUCHED_FOR = timedelta(hours=24)


@flow(name="collect-garbage", persist_result=False)
async def collect_garbage() -> dict[str, int]:
    """Delete unreferenced content and what broken-off uploads and killed runs left. Counts of each."""
    found = await asyncio.to_thread(collect, platform(), UNTOUCHED_FOR)
    get_run_logger().info(
        "%(deleted)s contents, %(uploads)s broken uploads and %(scratch)s scratch folders deleted", found
    )
    return found


def collect(platform: Platform, untouched_for: timedelta) -> dict[str, int]:
    before = now() - untouched_for
    store = platform.store
    deleted = 0
    for sha256 in store.unreferenced(lambda some: referenced_contents(platform.engine, some), older_than=before):
        deleted += store.delete(sha256, older_than=before)
    return {
        "deleted": deleted,
        "uploads": store.discard_uploads(older_than=before),
        "scratch": _sweep(platform.settings.scratch_directory, before),
    }


def _sweep(directory: Path, before: datetime) -> int:
    """Folders that a killed process left behind."""
    swept = 0
    for entry in directory.iterdir() if directory.is_dir() else ():
        if entry.stat().st_mtime < before.timestamp():
            shutil.rmtree(entry, ignore_errors=True)
            swept += 1
    return swept
