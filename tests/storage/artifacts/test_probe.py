"""The start-up probe: moto honours object lock, Swift takes its headers and ignores them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from moto.server import ThreadedMotoServer

from governance.artifact_store import ArtifactStoreError, BlobRetained, StoredBlob, StoreUnavailable
from storage.artifacts.probe import GuaranteeMissing, opened, probed
from storage.artifacts.s3 import S3ArtifactStore
from storage.artifacts.s3_location import LockMode, Retention, S3Credentials, S3Location
from storage.artifacts.s3_upload import FIRST_PART_BYTES
from tests.storage.artifacts.conftest import S3Backend

A_DAY = Retention("GOVERNANCE", days=1)


@pytest.fixture(scope="module")
def moto_server() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


def bucket_on(server: ThreadedMotoServer, *, lock: bool) -> S3Location:
    host, port = server.get_host_and_port()
    location = S3Location(
        f"retained-{secrets.token_hex(6)}",
        endpoint=f"http://{host}:{port}",
        credentials=S3Credentials("id", "secret"),
    )
    client = S3ArtifactStore(location).client
    client.create_bucket(Bucket=location.bucket, ObjectLockEnabledForBucket=lock)
    client.close()
    return location


@pytest.fixture
def lockable(moto_server: ThreadedMotoServer) -> S3Location:
    return bucket_on(moto_server, lock=True)


def stored(store: S3ArtifactStore, content: bytes) -> StoredBlob:
    upload = store.open_upload(limit=len(content))
    upload.write(content)
    return upload.finish()


def now() -> datetime:
    return datetime.now(UTC)


class TestWhereLocksAreHonoured:
    @pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
    def test_a_retaining_store_opens(self, lockable: S3Location, mode: LockMode) -> None:
        store, seen = opened(lockable, retention=Retention(mode, days=1), at=now())

        assert seen.object_lock_honoured
        assert seen.ranges_served
        store.client.close()

    @pytest.mark.parametrize("size", [100, FIRST_PART_BYTES + 1])
    def test_its_blobs_cannot_be_deleted(self, lockable: S3Location, size: int) -> None:
        store, _ = opened(lockable, retention=A_DAY, at=now())

        blob = stored(store, bytes(size))

        with pytest.raises(BlobRetained):
            store.delete(blob.sha256)
        assert store.digest(blob.sha256) == blob.sha256
        head = store.client.head_object(Bucket=lockable.bucket, Key=f"blobs/{blob.sha256[:2]}/{blob.sha256}")
        assert head["ObjectLockMode"] == "GOVERNANCE"
        assert head["ObjectLockRetainUntilDate"] > now() + timedelta(hours=23)
        store.client.close()

    def test_only_the_blob_stays_of_a_large_upload(self, lockable: S3Location) -> None:
        store, _ = opened(lockable, retention=A_DAY, at=now())

        blob = stored(store, bytes(FIRST_PART_BYTES + 1))

        versions = store.client.list_object_versions(Bucket=lockable.bucket)["Versions"]
        assert [version["Key"] for version in versions] == [f"blobs/{blob.sha256[:2]}/{blob.sha256}"]
        store.client.close()

    def test_a_blob_whose_retention_ended_is_deleted_with_its_versions(self, lockable: S3Location) -> None:
        store = S3ArtifactStore(lockable, retention=A_DAY, now=lambda: now() - timedelta(days=2))
        first, again = stored(store, b"content"), stored(store, b"content")
        assert first == again

        assert store.delete(first.sha256)

        assert not store.exists(first.sha256)
        listing = store.client.list_object_versions(Bucket=lockable.bucket)
        assert not listing.get("Versions")
        assert not listing.get("DeleteMarkers")
        store.client.close()

    def test_the_probe_leaves_nothing_it_may_remove(self, lockable: S3Location) -> None:
        store, _ = opened(lockable, retention=A_DAY, at=now())

        listing = store.client.list_object_versions(Bucket=lockable.bucket)

        assert not listing.get("Versions")
        store.client.close()

    def test_a_locked_rest_of_the_probe_does_not_stop_the_collector(self, lockable: S3Location) -> None:
        store, _ = opened(lockable, retention=Retention("COMPLIANCE", days=1), at=now())
        store.client.put_object(Bucket=lockable.bucket, Key="uploads/left", Body=b"x")

        assert store.discard_uploads(older_than=now() + timedelta(hours=1)) == 1

        versions = store.client.list_object_versions(Bucket=lockable.bucket)["Versions"]
        assert {version["Key"][:14] for version in versions} == {"uploads/probe-"}, "its lock lasts minutes"
        store.client.close()


class TestWhereLocksAreNot:
    def test_swift_ignores_them_silently(self, swift: S3Backend) -> None:
        location = swift.store.location
        swift.store.client.put_bucket_versioning(Bucket=location.bucket, VersioningConfiguration={"Status": "Enabled"})

        with pytest.raises(GuaranteeMissing, match="a locked object could be deleted"):
            opened(location, retention=A_DAY, at=now())

    def test_a_bucket_without_versions(self, swift: S3Backend) -> None:
        with pytest.raises(GuaranteeMissing, match="keeps no versions"):
            opened(swift.store.location, retention=A_DAY, at=now())

    def test_a_bucket_made_without_object_lock(self, moto_server: ThreadedMotoServer) -> None:
        location = bucket_on(moto_server, lock=False)

        with pytest.raises(GuaranteeMissing) as refusal:
            opened(location, retention=A_DAY, at=now())

        assert isinstance(refusal.value, ArtifactStoreError)
        assert not refusal.value.retryable, "no retry will make the server honour a lock"

    def test_without_retention_the_store_opens_and_says_so(self, swift: S3Backend) -> None:
        store, seen = opened(swift.store.location, retention=None, at=now())

        assert not seen.object_lock_honoured
        assert seen.reasons
        assert store.exists(stored(store, b"content").sha256)
        store.client.close()


def test_swift_refuses_a_wrong_checksum(swift: S3Backend) -> None:
    seen = probed(swift.store.client, swift.store.location, mode="GOVERNANCE", at=now())

    assert seen.wrong_checksum_refused
    assert swift.everything() == set(), "the probe cleans up after itself"


def test_a_server_that_stores_a_wrong_checksum_is_found_out(lockable: S3Location) -> None:
    store = S3ArtifactStore(lockable)

    seen = probed(store.client, lockable, mode="GOVERNANCE", at=now())

    assert not seen.wrong_checksum_refused
    assert "an object with a wrong checksum was stored" in seen.reasons
    store.client.close()


def test_a_missing_bucket_is_no_missing_guarantee(swift_location: S3Location) -> None:
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        opened(swift_location, retention=A_DAY, at=now())
