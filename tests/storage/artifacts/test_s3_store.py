"""What only the S3 store has: parts, presigned downloads, refused credentials, a server that goes away."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from governance.artifact_store import StoredBlob, StoreUnavailable
from storage.artifacts.s3 import S3ArtifactStore
from storage.artifacts.s3_location import S3Credentials, S3Location
from storage.artifacts.s3_upload import FIRST_PART_BYTES, part_bytes
from tests.storage.artifacts.conftest import S3Backend

MIB = 1 << 20
GIB = 1 << 30


def stored(store: S3ArtifactStore, content: bytes) -> StoredBlob:
    upload = store.open_upload(limit=len(content))
    upload.write(content)
    return upload.finish()


@pytest.fixture
def presented(swift: S3Backend) -> tuple[S3ArtifactStore, StoredBlob, bytes]:
    content = random.Random(1).randbytes(FIRST_PART_BYTES + 1000)
    return swift.store, stored(swift.store, content), content


class TestPresignedDownload:
    def test_a_plain_client_gets_the_bytes_under_the_name(
        self, presented: tuple[S3ArtifactStore, StoredBlob, bytes]
    ) -> None:
        store, blob, _ = presented
        url = store.download_url(
            blob.sha256,
            filename='Größe "1"\r\nX-Evil: 1.onnx',
            media_type="application/x-onnx",
            at=datetime.now(UTC),
            ttl_seconds=60,
        )

        answer = httpx.get(url, trust_env=False)

        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == blob.sha256
        assert answer.headers["content-type"] == "application/x-onnx"
        assert answer.headers["content-disposition"] == (
            "attachment; filename=\"Gr__e _1_X-Evil_ 1.onnx\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20_1_X-Evil_%201.onnx"
        )
        assert "x-evil" not in answer.headers

    def test_a_range(self, presented: tuple[S3ArtifactStore, StoredBlob, bytes]) -> None:
        store, blob, content = presented
        url = store.download_url(blob.sha256, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)

        answer = httpx.get(url, headers={"Range": f"bytes={FIRST_PART_BYTES - 2}-"}, trust_env=False)

        assert answer.status_code == 206
        assert answer.content == content[FIRST_PART_BYTES - 2 :]
        assert answer.headers["content-range"] == f"bytes {FIRST_PART_BYTES - 2}-{blob.size - 1}/{blob.size}"

    def test_a_changed_address_is_refused(self, presented: tuple[S3ArtifactStore, StoredBlob, bytes]) -> None:
        store, blob, _ = presented
        other = stored(store, b"another blob")
        url = store.download_url(blob.sha256, filename="f.bin", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)
        changed = [
            url.replace(f"{blob.sha256[:2]}/{blob.sha256}", f"{other.sha256[:2]}/{other.sha256}"),
            url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
            url.replace("f.bin", "f.exe"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.split("?")[0],
        ]

        for address in changed:
            assert address != url
            assert httpx.get(address, trust_env=False).status_code in {400, 403}  # 400: no signature at all
        assert httpx.put(url, content=b"overwritten", trust_env=False).status_code == 403
        assert httpx.delete(url, trust_env=False).status_code == 403
        assert store.digest(blob.sha256) == blob.sha256

    def test_an_expired_address_is_refused(self, presented: tuple[S3ArtifactStore, StoredBlob, bytes]) -> None:
        store, blob, _ = presented
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)

        expired = store.download_url(blob.sha256, filename="f", media_type="a/b", at=an_hour_ago, ttl_seconds=60)
        still_valid = store.download_url(
            blob.sha256, filename="f", media_type="a/b", at=an_hour_ago, ttl_seconds=2 * 3600
        )

        assert httpx.get(expired, trust_env=False).status_code == 403
        assert httpx.get(still_valid, trust_env=False).status_code == 200

    def test_the_address_is_spelt_as_downloaders_reach_the_server(self, swift_location: S3Location) -> None:
        store = S3ArtifactStore(dataclasses.replace(swift_location, public_endpoint="https://files.example.org"))

        url = store.download_url("ab" * 32, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)

        assert url.startswith(f"https://files.example.org/{swift_location.bucket}/one%20tenant/%C3%A4/blobs/ab/")

    def test_on_aws_it_names_the_bucket_in_its_region(self) -> None:
        location = S3Location(
            "models", region="eu-central-1", prefix="a", credentials=S3Credentials("id", "secret", "token")
        )

        url = S3ArtifactStore(location).download_url(
            "ab" * 32, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60
        )

        assert url.startswith(f"https://models.s3.eu-central-1.amazonaws.com/a/blobs/ab/{'ab' * 32}?")
        assert "X-Amz-Security-Token=token" in url
        assert "secret" not in url


class TestParts:
    def test_ten_thousand_parts_hold_more_than_the_largest_object(self) -> None:
        sizes = [part_bytes(number, 10_000) for number in range(1, 10_001)]

        assert sum(sizes) > 5 * 1024 * GIB
        assert sizes[:640] == [8 * MIB] * 640, "an upload of 5 GB never needs more memory than the first part"
        assert max(sizes) < 5 * GIB, "S3's largest part"

    def test_a_server_that_takes_fewer_parts_gets_larger_ones_sooner(self) -> None:
        sizes = [part_bytes(number, 1000) for number in range(1, 1001)]

        assert sum(sizes) > 500 * GIB
        assert part_bytes(1, 1) == FIRST_PART_BYTES

    def test_growing_parts_arrive_in_order(self, swift_location: S3Location, swift: S3Backend) -> None:
        store = S3ArtifactStore(dataclasses.replace(swift_location, max_parts=10))
        content = random.Random(2).randbytes(30 * MIB)  # parts of 8 and 16 MiB and a rest

        blob = stored(store, content)

        assert store.digest(blob.sha256) == hashlib.sha256(content).hexdigest()
        assert swift.everything() == {f"blobs/{blob.sha256[:2]}/{blob.sha256}"}


def test_the_digest_is_kept_as_metadata_too(swift: S3Backend) -> None:
    for content in (b"small", bytes(FIRST_PART_BYTES + 1)):
        blob = stored(swift.store, content)
        key = swift.store.location.key(f"blobs/{blob.sha256[:2]}/{blob.sha256}")

        head = swift.store.client.head_object(Bucket=swift.store.location.bucket, Key=key)

        assert head["Metadata"] == {"sha256": blob.sha256}


def test_the_same_upload_again_makes_an_old_blob_young(swift: S3Backend) -> None:
    blob = stored(swift.store, b"content")
    key = swift.store.location.key(f"blobs/{blob.sha256[:2]}/{blob.sha256}")

    def stored_at() -> datetime:
        return swift.store.client.head_object(Bucket=swift.store.location.bucket, Key=key)["LastModified"]

    first = stored_at()
    deadline = time.monotonic() + 20
    while stored_at() == first:  # S3 counts in seconds
        assert time.monotonic() < deadline, "the age of the blob did not start anew"
        stored(swift.store, b"content")
    assert stored_at() > first


class TestDiedHalfWay:
    def test_an_unfinished_multipart_upload_is_collected(self, swift: S3Backend) -> None:
        upload = swift.store.open_upload(limit=GIB)
        upload.write(bytes(FIRST_PART_BYTES + 1))  # and then its process dies
        assert len(swift.everything()) == 1

        assert swift.store.discard_uploads(older_than=datetime.now(UTC) - timedelta(hours=1)) == 0
        assert len(swift.everything()) == 1
        assert swift.store.discard_uploads(older_than=datetime.now(UTC) + timedelta(hours=1)) == 1
        assert swift.everything() == set()

    def test_an_object_that_was_never_published_is_collected(self, swift: S3Backend) -> None:
        location = swift.store.location
        swift.store.client.put_object(Bucket=location.bucket, Key=location.key("uploads/left"), Body=b"x")
        swift.store.client.put_object(Bucket=location.bucket, Key="uploads/of another", Body=b"x")

        assert swift.store.discard_uploads(older_than=datetime.now(UTC) + timedelta(hours=1)) == 1
        assert swift.everything() == {"uploads/of another"}, "what lies outside the prefix is not ours"

    def test_an_upload_collected_in_flight_fails_and_leaves_nothing(
        self, swift: S3Backend, caplog: pytest.LogCaptureFixture
    ) -> None:
        upload = swift.store.open_upload(limit=GIB)
        upload.write(bytes(FIRST_PART_BYTES + 1))
        assert swift.store.discard_uploads(older_than=datetime.now(UTC) + timedelta(hours=1)) == 1

        with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailable):
            upload.finish()

        assert "stays until it is collected" in caplog.text
        assert swift.everything() == set()


def test_a_copy_for_a_library_is_gone_afterwards(swift: S3Backend, tmp_path: Path) -> None:
    blob = stored(swift.store, b"content")
    store = S3ArtifactStore(swift.store.location, scratch=tmp_path)

    with store.local_path(blob.sha256) as path:
        assert tmp_path in path.parents
        assert path.read_bytes() == b"content"

    assert list(tmp_path.iterdir()) == []


class TestUnavailable:
    def test_a_wrong_secret(self, swift: S3Backend) -> None:
        wrong = S3Credentials("gate:keeper", "not-the-secret", None)
        store = S3ArtifactStore(dataclasses.replace(swift.store.location, credentials=wrong))

        with pytest.raises(StoreUnavailable) as refusal:
            stored(store, b"content")

        assert refusal.value.retryable
        assert "not-the-secret" not in str(refusal.value)
        assert swift.everything() == set()

    def test_a_bucket_that_is_missing(self, swift: S3Backend) -> None:
        store = S3ArtifactStore(dataclasses.replace(swift.store.location, bucket="nowhere-at-all"))

        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            store.read("ab" * 32)
        with pytest.raises(StoreUnavailable):
            stored(store, b"content")

    def test_no_credentials_anywhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        store = S3ArtifactStore(S3Location("bucket", endpoint="http://127.0.0.1:9"))

        with pytest.raises(StoreUnavailable, match="credentials"):
            store.size("ab" * 32)
        with pytest.raises(StoreUnavailable, match="credentials"):
            store.download_url("ab" * 32, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)

    def test_credentials_of_the_chain_are_used(self, swift: S3Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        given = swift.store.location.credentials
        assert given is not None
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", given.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given.secret_key)
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        store = S3ArtifactStore(dataclasses.replace(swift.store.location, credentials=None))

        blob = stored(store, b"content")
        url = store.download_url(blob.sha256, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)

        assert httpx.get(url, trust_env=False).content == b"content"

    def test_a_server_that_nobody_reaches(self) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
            endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
            store = S3ArtifactStore(S3Location("bucket", endpoint=endpoint, credentials=S3Credentials("id", "secret")))

            with pytest.raises(StoreUnavailable) as refusal:
                store.exists("ab" * 32)

        assert refusal.value.retryable

    def test_a_server_that_goes_away_during_an_upload(
        self, dying_server: ThreadedMotoServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        host, port = dying_server.get_host_and_port()
        store = S3ArtifactStore(
            S3Location("going", endpoint=f"http://{host}:{port}", credentials=S3Credentials("id", "secret"))
        )
        store.client.create_bucket(Bucket="going")
        upload = store.open_upload(limit=GIB)
        upload.write(bytes(FIRST_PART_BYTES + 1))
        dying_server.stop()

        with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailable):
            upload.finish()

        upload.abort()
        assert "stays until it is collected" in caplog.text
        store.client.close()


@pytest.fixture
def dying_server() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


def test_boto3_is_imported_only_where_a_bucket_is_used() -> None:
    check = (
        "import sys, storage.artifacts.local, storage.artifacts.s3, storage.artifacts.probe;"
        "sys.exit(int(bool({'boto3', 'botocore', 'mypy_boto3_s3'} & set(sys.modules))))"
    )
    root = Path(__file__).parents[3]

    assert subprocess.run([sys.executable, "-c", check], cwd=root, check=False).returncode == 0


def test_secrets_are_in_no_representation() -> None:
    credentials = S3Credentials("the-id", "the-secret", "the-token")
    location = S3Location("bucket", endpoint="http://127.0.0.1:9", credentials=credentials)
    store = S3ArtifactStore(location)

    for text in (repr(credentials), str(location), f"{location}", repr(store), str(store)):
        assert "the-secret" not in text
        assert "the-token" not in text
    assert "the-id" in repr(store), "which key it was may be seen"
