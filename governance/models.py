"""Models, their versions and artifacts (governance-design, Core Entities), and the rules for their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import semver

from governance.canonical import canonical_bytes
from governance.endpoints import endpoint_of
from governance.errors import InvalidInput
from governance.lifecycle import VersionState

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
SHA256 = re.compile(r"[0-9a-f]{64}")
CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,400}@sha256:([0-9a-f]{64})")
COMMIT = re.compile(r"[0-9a-f]{7,64}")
METADATA_LIMIT = 256 * 1024  # bytes of canonical JSON
METADATA_DEPTH = 50  # levels; the audit log, which records metadata, takes little more
TEXT_LIMIT = 10_000  # characters


class RiskTier(StrEnum):
    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


class ArtifactType(StrEnum):
    WEIGHTS = "weights"
    CONTAINER = "container"
    TOKENIZER = "tokenizer"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    name: str
    group: str
    description: str
    owners: tuple[str, ...]
    risk_tier: RiskTier
    tags: tuple[str, ...]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """`revision` grows by one with every change of content or state; it is the entity tag."""

    id: str
    model_id: str
    version: str
    state: VersionState
    commit_sha: str
    training_job_id: str | None
    metadata: Mapping[str, Any]
    revision: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """`size` in bytes. A container is a reference: `uri` names it, `sha256` is the digest in that name."""

    id: str
    version_id: str
    type: ArtifactType
    name: str
    media_type: str
    uri: str
    sha256: str
    size: int
    license: str | None
    created_by: str
    created_at: datetime


def is_id(text: str) -> bool:
    """Could this be one of our ids? Anything else is unknown, without asking the database."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def checked_name(what: str, name: str) -> str:
    """A name that is safe in a path, a URL and a header. Raises InvalidInput."""
    if not NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(
            f"{what} may hold letters, digits, dots, dashes and underscores, begins and ends with a letter or "
            "digit, has no two dots in a row and at most 128 characters.",
            details={"field": what, "value": name[:200]},
        )
    return name


def checked_text(what: str, text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Text that PostgreSQL can hold and people can read. Raises InvalidInput for NUL or too much."""
    if "\x00" in text:
        raise InvalidInput(f"{what} may not contain the NUL character.", details={"field": what})
    if len(text) > limit:
        raise InvalidInput(f"{what} may have at most {limit} characters.", details={"field": what})
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} is not valid Unicode.", details={"field": what}) from None
    return text


def checked_version(version: str) -> tuple[str, str]:
    """(the version, its precedence key without build metadata). Raises InvalidInput unless it is SemVer 2.0.0."""
    if len(version) > 128 or not semver.Version.is_valid(version):
        raise InvalidInput(
            f"{version[:200]!r} is not a semantic version such as 1.4.0 or 2.0.0-rc.1.",
            details={"field": "version"},
        )
    return version, version.partition("+")[0]


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object of bounded size and depth without NUL; its endpoint, if it has one, well formed.

    Raises InvalidInput.
    """
    _check_values(metadata, METADATA_DEPTH)
    endpoint_of(metadata)
    if len(canonical_bytes(dict(metadata))) > METADATA_LIMIT:
        raise InvalidInput(f"metadata may have at most {METADATA_LIMIT} bytes.", details={"field": "metadata"})
    return dict(metadata)


def _check_values(value: Any, levels: int) -> None:
    """Beyond 2^53 a number loses digits on its way through JSON, and with them the meaning of a digest."""
    if isinstance(value, Mapping | list | tuple):
        if levels == 0:
            raise InvalidInput(f"metadata nests at most {METADATA_DEPTH} levels.", details={"field": "metadata"})
        for item in value:
            _check_values(item, levels - 1)
        if isinstance(value, Mapping):
            for item in value.values():
                _check_values(item, levels - 1)
    elif isinstance(value, str) and "\x00" in value:
        raise InvalidInput("metadata may not contain the NUL character.", details={"field": "metadata"})
    elif isinstance(value, int | float) and abs(value) > 2**53:
        raise InvalidInput("metadata may not contain numbers beyond 2^53; write them as text.")


def checked_container(uri: str) -> str:
    """The sha256 of a container reference `registry/name@sha256:…`. Raises InvalidInput for a mutable tag."""
    match = CONTAINER.fullmatch(uri)
    if match is None or ".." in uri:
        raise InvalidInput(
            "A container is referenced by digest: registry/name@sha256:<64 hexadecimal digits>.",
            details={"field": "uri"},
        )
    return match.group(1)


def checked_sha256(what: str, digest: str) -> str:
    if not SHA256.fullmatch(digest):
        raise InvalidInput(f"{what} must be 64 lower-case hexadecimal digits.", details={"field": what})
    return digest


def checked_commit(commit: str) -> str:
    if not COMMIT.fullmatch(commit):
        raise InvalidInput("commitSha must be 7 to 64 lower-case hexadecimal digits.", details={"field": "commitSha"})
    return commit
