"""Both stores behind one fixture, with what a test needs to look behind them."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from governance.artifact_store import ArtifactStore
from storage.artifacts.local import LocalArtifactStore
from storage.artifacts.s3 import S3ArtifactStore
from storage.artifacts.s3_location import S3Credentials, S3Location
from tests.fixtures.swift_server import SwiftServer

SIGNING_KEY = bytes(range(32))


class Backend(Protocol):
    """A store together with the view that an operator has behind it."""

    @property
    def store(self) -> ArtifactStore: ...

    def everything(self) -> set[str]:
        """Names of all that is kept: blobs, waiting uploads, unfinished multipart uploads."""

    def damage(self, sha256: str, content: bytes) -> None:
        """Replaces a blob's bytes behind the store's back."""


@dataclass(frozen=True)
class LocalBackend:
    root: Path
    store: LocalArtifactStore

    def everything(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def damage(self, sha256: str, content: bytes) -> None:
        path = self.root / "blobs" / sha256[:2] / sha256
        path.chmod(0o600)
        path.write_bytes(content)


@dataclass(frozen=True)
class S3Backend:
    store: S3ArtifactStore

    def everything(self) -> set[str]:
        client, location = self.store.client, self.store.location
        objects = client.list_objects_v2(Bucket=location.bucket).get("Contents", [])
        unfinished = client.list_multipart_uploads(Bucket=location.bucket).get("Uploads", [])
        keys: set[str] = {found["Key"].removeprefix(location.key("")) for found in objects}
        return keys | {f"unfinished {found['Key']}" for found in unfinished}

    def damage(self, sha256: str, content: bytes) -> None:
        key = self.store.location.key(f"blobs/{sha256[:2]}/{sha256}")
        self.store.client.put_object(Bucket=self.store.location.bucket, Key=key, Body=content)


@pytest.fixture
def local(tmp_path: Path) -> LocalBackend:
    root = tmp_path / "artifacts"
    return LocalBackend(root, LocalArtifactStore(root, url_path="/api/v1/blobs", signing_key=SIGNING_KEY))


@pytest.fixture(scope="session")
def swift_client(swift_server: SwiftServer) -> Iterator[S3ArtifactStore]:
    """A store of the session's Swift in no particular bucket, because making boto3's client costs 0.1 s."""
    location = S3Location(
        bucket="none",
        prefix="one tenant/ä",
        endpoint=swift_server.endpoint,
        region=swift_server.region,
        credentials=S3Credentials(swift_server.access_key, swift_server.secret_key),
        max_parts=1000,
    )
    store = S3ArtifactStore(location)
    yield store
    store.client.close()


@pytest.fixture
def swift_location(swift_client: S3ArtifactStore) -> S3Location:
    """A bucket of its own on the session's Swift, not made yet."""
    return replace(swift_client.location, bucket=f"artifacts-{secrets.token_hex(6)}")


@pytest.fixture
def swift(swift_client: S3ArtifactStore, swift_location: S3Location) -> S3Backend:
    store = copy.copy(swift_client)
    store.location = swift_location
    store.client.create_bucket(Bucket=swift_location.bucket)
    return S3Backend(store)


@pytest.fixture(params=["local", "swift"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Each store in turn; asked for by name, so that a run of the local one starts no server."""
    return request.getfixturevalue(request.param)
