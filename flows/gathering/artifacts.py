"""What storage really holds of a version: digests computed again, formats looked into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.weights import inspect_weights
from governance.artifact_store import BlobMissing
from governance.models import ArtifactType
from governance.operations.inspections import record_inspection
from storage.composition import Platform


def measured_artifacts(
    platform: Platform, artifacts: Iterable[Mapping[str, Any]], *, look_inside: bool
) -> list[dict[str, Any]]:
    """One item per artifact: `id, storedSha256, format, safe, reason`; `safe` is None where nobody looked.

    A container lives in a registry that we do not read: its reference by digest is what is recorded.
    Raises StoreUnavailable.
    """
    return [_measured(platform, artifact, look_inside=look_inside) for artifact in artifacts]


def _measured(platform: Platform, artifact: Mapping[str, Any], *, look_inside: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"id": artifact["id"], "storedSha256": None, "format": None, "safe": None, "reason": ""}
    if artifact["type"] == ArtifactType.CONTAINER:
        return {**item, "storedSha256": artifact["sha256"], "format": "container", "reason": "referenced by digest"}
    try:
        item["storedSha256"] = platform.store.digest(artifact["sha256"])
    except BlobMissing:
        return {**item, "safe": False, "format": "unknown", "reason": "The content is gone from storage."}
    if artifact["type"] != ArtifactType.WEIGHTS or not look_inside:
        return item
    if item["storedSha256"] != artifact["sha256"]:
        return {**item, "safe": False, "format": "unknown", "reason": "The content is not what was registered."}
    return {**item, **_inspected(platform, artifact["sha256"])}


def _inspected(platform: Platform, sha256: str) -> dict[str, Any]:
    """What the content is. Looked at once per content: the digest was just computed, so it is the same content."""
    with platform.new_unit() as uow:
        known = uow.artifacts.inspection(sha256)
    if known is not None:
        return known
    with platform.store.local_path(sha256) as path:
        found = inspect_weights(path)
    result = {"format": found.format, "safe": found.safe, "reason": found.reason}
    record_inspection(platform.new_unit(), platform.system_call(), sha256, result)
    return result
