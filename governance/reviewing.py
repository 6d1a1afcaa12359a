"""What a reviewer compares: a version with what it replaces, and its evidence with what was last reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.canonical import difference, digest_of

Json = Mapping[str, Any]


def content_of(subject: Json) -> dict[str, Any]:
    """What a version consists of, in one shape for a subject (`governance.evidence`) and for an incumbent.

    Neither its name nor the ids of rows are part of it: the same change to another model looks the same.
    """
    version = subject.get("version")
    holder = version if isinstance(version, Mapping) else subject
    artifacts = [{key: a[key] for key in ("name", "type", "sha256", "size")} for a in subject["artifacts"]]
    return {
        "commitSha": holder["commitSha"],
        "metadata": dict(holder["metadata"]),
        "artifacts": sorted(artifacts, key=lambda a: (a["type"], a["name"])),
    }


def change_from(before: Json | None, subject: Json) -> list[dict[str, Any]]:
    """What this version changes in what is there `before` it; all that it consists of when nothing is."""
    return difference(content_of(before) if before is not None else {}, content_of(subject))


def change_digest(before: Json | None, subject: Json) -> str:
    """Equal for the same transition of the same change at the same risk tier, whatever model it is made to."""
    return digest_of(
        {
            "transition": subject["transition"],
            "riskTier": subject["model"]["riskTier"],
            "difference": change_from(before, subject),
        }
    )


def since_last_review(last: Json | None, evidence: Json) -> dict[str, Any] | None:
    """{"requestId", "at", "by", "comment", "difference"}; None when nobody sent the version back before.

    last: {"requestId", "at", "by", "comment", "evidence"} of the request that was sent back.
    """
    if last is None:
        return None
    told = {name: last[name] for name in ("requestId", "at", "by", "comment")}
    return {**told, "difference": difference(last["evidence"], evidence)}
