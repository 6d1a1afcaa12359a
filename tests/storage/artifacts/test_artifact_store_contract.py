"""What every artifact store promises, asked of the local store and of S3 (a real Swift) alike."""

from __future__ import annotations

import gc
import hashlib
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from governance.artifact_store import (
    CHUNK_BYTES,
    ArtifactStore,
    ArtifactStoreError,
    BlobMissing,
    BlobTooLarge,
    DigestMismatch,
    InvalidDigest,
    RangeNotSatisfiable,
    SizeMismatch,
    StoredBlob,
    UploadClosed,
)
from storage.artifacts.s3_upload import FIRST_PART_BYTES
from tests.storage.artifacts.conftest import Backend

MIB = 1 << 20
ABSENT = "0" * 64


def content_of(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def stored(store: ArtifactStore, content: bytes, chunk: int = CHUNK_BYTES) -> StoredBlob:
    upload = store.open_upload(limit=len(content))
    for start in range(0, len(content), chunk):
        upload.write(content[start : start + chunk])
    return upload.finish(hashlib.sha256(content).hexdigest(), len(content))


def name_of(blob: StoredBlob) -> str:
    return f"blobs/{blob.sha256[:2]}/{blob.sha256}"


def an_hour_hence() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("size", "chunk"),
    [
        (0, CHUNK_BYTES),
        (1, CHUNK_BYTES),
        (100_003, 7919),
        (FIRST_PART_BYTES, CHUNK_BYTES),
        (FIRST_PART_BYTES + 1, CHUNK_BYTES),
        (2 * FIRST_PART_BYTES + 12_345, 3 * MIB + 1),
        (2 * FIRST_PART_BYTES, 2 * FIRST_PART_BYTES),
    ],
)
def test_what_was_written_is_read_back(backend: Backend, size: int, chunk: int) -> None:
    content = content_of(size)

    blob = stored(backend.store, content, chunk)

    assert blob == StoredBlob(hashlib.sha256(content).hexdigest(), size)
    assert b"".join(backend.store.read(blob.sha256)) == content
    assert backend.store.size(blob.sha256) == size
    assert backend.store.exists(blob.sha256)
    assert backend.store.digest(blob.sha256) == blob.sha256
    assert backend.everything() == {name_of(blob)}


def test_nothing_is_visible_before_the_end(backend: Backend) -> None:
    content = content_of(FIRST_PART_BYTES + MIB)
    sha256 = hashlib.sha256(content).hexdigest()
    upload = backend.store.open_upload(limit=len(content))
    upload.write(content)

    assert not backend.store.exists(sha256)
    with pytest.raises(BlobMissing):
        backend.store.read(sha256)

    upload.finish()
    assert backend.store.exists(sha256)


@pytest.mark.parametrize("size", [1000, FIRST_PART_BYTES + MIB])
class TestARefusalLeavesNothing:
    def test_other_content_than_announced(self, backend: Backend, size: int) -> None:
        content = content_of(size)
        upload = backend.store.open_upload(limit=size)
        upload.write(content)

        with pytest.raises(DigestMismatch) as refusal:
            upload.finish(expected_sha256=ABSENT)

        assert refusal.value.expected == ABSENT
        assert refusal.value.actual == hashlib.sha256(content).hexdigest()
        assert backend.everything() == set()

    @pytest.mark.parametrize("difference", [-1, 1])
    def test_another_size_than_announced(self, backend: Backend, size: int, difference: int) -> None:
        upload = backend.store.open_upload(limit=size)
        upload.write(content_of(size))

        with pytest.raises(SizeMismatch) as refusal:
            upload.finish(expected_size=size + difference)

        assert (refusal.value.expected, refusal.value.actual) == (size + difference, size)
        assert backend.everything() == set()

    def test_an_announced_digest_that_is_none(self, backend: Backend, size: int) -> None:
        upload = backend.store.open_upload(limit=size)
        upload.write(content_of(size))

        with pytest.raises(InvalidDigest):
            upload.finish(expected_sha256="../../etc/passwd")

        assert backend.everything() == set()

    def test_one_byte_over_the_limit(self, backend: Backend, size: int) -> None:
        upload = backend.store.open_upload(limit=size)
        upload.write(content_of(size))

        with pytest.raises(BlobTooLarge) as refusal:
            upload.write(b"x")

        assert refusal.value.limit == size
        assert backend.everything() == set()

    def test_an_abort_which_may_be_repeated(self, backend: Backend, size: int) -> None:
        upload = backend.store.open_upload(limit=size)
        upload.write(content_of(size))

        upload.abort()
        upload.abort()

        assert backend.everything() == set()


def test_the_limit_itself_is_allowed_and_refused_before_more_is_taken(backend: Backend) -> None:
    assert stored(backend.store, b"exactly").size == 7

    with pytest.raises(BlobTooLarge):
        backend.store.open_upload(limit=7).write(b"exactly" + b"!")
    with pytest.raises(BlobTooLarge):
        backend.store.open_upload(limit=0).write(b"!")


def test_an_upload_that_ended_takes_nothing_more(backend: Backend) -> None:
    finished = backend.store.open_upload(limit=10)
    finished.write(b"content")
    blob = finished.finish()
    aborted = backend.store.open_upload(limit=10)
    aborted.abort()
    refused = backend.store.open_upload(limit=1)
    with pytest.raises(BlobTooLarge):
        refused.write(b"two")

    for upload in (finished, aborted, refused):
        with pytest.raises(UploadClosed):
            upload.write(b"x")
        with pytest.raises(UploadClosed):
            upload.finish()
        upload.abort()

    assert backend.everything() == {name_of(blob)}, "an abort after finish takes nothing away"


def test_the_same_content_twice_is_one_blob(backend: Backend) -> None:
    content = content_of(300_000)

    assert stored(backend.store, content) == stored(backend.store, content, chunk=1000)

    assert backend.everything() == {name_of(stored(backend.store, content))}


def test_many_writers_of_the_same_and_of_other_content(backend: Backend) -> None:
    shared = content_of(FIRST_PART_BYTES + 100_000)
    own = [content_of(50_000 + number, seed=number + 1) for number in range(4)]

    with ThreadPoolExecutor(8) as pool:
        blobs = list(pool.map(lambda content: stored(backend.store, content), [shared] * 4 + own))

    assert backend.everything() == {name_of(blob) for blob in blobs}
    assert len({blob.sha256 for blob in blobs}) == 5
    for blob, content in zip(blobs, [shared] * 4 + own, strict=True):
        assert b"".join(backend.store.read(blob.sha256)) == content


def test_a_range_includes_its_last_byte(backend: Backend) -> None:
    content = b"0123456789"
    blob = stored(backend.store, content)

    for start in range(10):
        for end in (None, start, start + 1, 9, 10, 1000):
            expected = content[start:] if end is None else content[start : end + 1]
            assert b"".join(backend.store.read(blob.sha256, start=start, end=end)) == expected


def test_a_range_across_chunks_and_parts(backend: Backend) -> None:
    content = content_of(FIRST_PART_BYTES + 2 * MIB)
    blob = stored(backend.store, content)
    start, end = FIRST_PART_BYTES - 5, FIRST_PART_BYTES + MIB + 5

    chunks = list(backend.store.read(blob.sha256, start=start, end=end))

    assert b"".join(chunks) == content[start : end + 1]
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)


def test_a_range_behind_the_end_is_refused_at_the_call(backend: Backend) -> None:
    blob = stored(backend.store, b"0123456789")

    for start, end in ((10, None), (10, 12), (5, 4), (-1, None), (-3, -1)):
        with pytest.raises(RangeNotSatisfiable):
            backend.store.read(blob.sha256, start=start, end=end)


def test_an_empty_blob_has_no_byte_0(backend: Backend) -> None:
    blob = stored(backend.store, b"")

    assert list(backend.store.read(blob.sha256)) == []
    with pytest.raises(RangeNotSatisfiable):
        backend.store.read(blob.sha256, start=0, end=0)


def test_a_reader_may_stop_early(backend: Backend) -> None:
    blob = stored(backend.store, content_of(3 * MIB))

    for _ in range(40):  # more than a connection pool or a careless table of open files would bear
        chunks = backend.store.read(blob.sha256)
        assert len(next(chunks)) > 0
        del chunks
        backend.store.read(blob.sha256)
    gc.collect()  # a file left open would warn now, and a warning is an error

    assert backend.store.size(blob.sha256) == 3 * MIB


def test_a_missing_blob(backend: Backend) -> None:
    with pytest.raises(BlobMissing):
        backend.store.read(ABSENT)
    with pytest.raises(BlobMissing):
        backend.store.size(ABSENT)
    with pytest.raises(BlobMissing):
        backend.store.digest(ABSENT)
    with pytest.raises(BlobMissing), backend.store.local_path(ABSENT):
        pass
    assert not backend.store.exists(ABSENT)
    assert not backend.store.delete(ABSENT)


NO_DIGESTS = (
    "",
    "a" * 63,
    "a" * 65,
    "A" * 64,
    "g" * 64,
    "a" * 64 + "\n",
    "a" * 63 + "\n",
    "a" * 63 + "\0",
    "\u0663" * 64,  # digits, but not of ASCII
    "..",
    "/etc/passwd",
    "../" * 20 + "aaaa",
    "a" * 32 + "/" + "b" * 31,
)


def test_a_name_that_is_no_digest_reaches_no_path(backend: Backend) -> None:
    store = backend.store
    for name in NO_DIGESTS:
        for call in (store.read, store.size, store.digest, store.exists, store.delete):
            with pytest.raises(InvalidDigest):
                call(name)
        with pytest.raises(InvalidDigest), store.local_path(name):
            pass
        with pytest.raises(InvalidDigest):
            store.download_url(name, filename="f", media_type="a/b", at=datetime.now(UTC), ttl_seconds=60)


def test_the_digest_is_that_of_the_bytes_really_stored(backend: Backend) -> None:
    content = content_of(200_000)
    blob = stored(backend.store, content)
    changed = bytes([content[0] ^ 1]) + content[1:]

    backend.damage(blob.sha256, changed)

    assert backend.store.digest(blob.sha256) == hashlib.sha256(changed).hexdigest()
    stored(backend.store, content)
    assert backend.store.digest(blob.sha256) == blob.sha256, "the same upload again heals the blob"


def test_a_path_for_libraries_that_need_one(backend: Backend) -> None:
    content = content_of(2 * MIB + 7)
    blob = stored(backend.store, content)

    with backend.store.local_path(blob.sha256) as path:
        assert path.read_bytes() == content

    assert backend.everything() == {name_of(blob)}


class TestCollectingGarbage:
    def test_only_what_is_old_and_unreferenced_is_named(self, backend: Backend) -> None:
        wanted, unwanted = stored(backend.store, b"wanted"), stored(backend.store, b"unwanted")

        def referenced(asked: object) -> set[str]:
            return {wanted.sha256}

        assert list(backend.store.unreferenced(referenced, older_than=an_hour_hence())) == [unwanted.sha256]
        assert list(backend.store.unreferenced(referenced, older_than=an_hour_ago())) == []

    def test_the_question_names_every_old_blob_once(self, backend: Backend) -> None:
        blobs = {stored(backend.store, bytes([number])).sha256 for number in range(7)}
        asked: list[str] = []

        def referenced(names: Sequence[str]) -> list[str]:
            asked.extend(names)
            return []

        assert set(backend.store.unreferenced(referenced, older_than=an_hour_hence())) == blobs
        assert sorted(asked) == sorted(blobs)

    def test_deleting(self, backend: Backend) -> None:
        kept, deleted = stored(backend.store, b"kept"), stored(backend.store, b"deleted")

        assert backend.store.delete(deleted.sha256)

        assert not backend.store.exists(deleted.sha256)
        assert not backend.store.delete(deleted.sha256)
        assert backend.everything() == {name_of(kept)}

    def test_what_was_stored_again_since_is_spared(self, backend: Backend) -> None:
        blob = stored(backend.store, b"content")

        assert not backend.store.delete(blob.sha256, older_than=an_hour_ago())
        assert backend.store.exists(blob.sha256)
        assert backend.store.delete(blob.sha256, older_than=an_hour_hence())
        assert not backend.store.exists(blob.sha256)

    def test_a_finished_upload_is_no_rest(self, backend: Backend) -> None:
        blob = stored(backend.store, content_of(FIRST_PART_BYTES + 1))

        assert backend.store.discard_uploads(older_than=an_hour_hence()) == 0
        assert backend.everything() == {name_of(blob)}


@pytest.mark.parametrize("size", [64 * MIB])
def test_memory_does_not_grow_with_the_content(backend: Backend, size: int) -> None:
    bound = 3 * FIRST_PART_BYTES  # one part, what boto3 holds of it, and room for chance

    def chunks() -> Iterator[bytes]:
        block = content_of(MIB)
        for number in range(size // MIB):
            yield number.to_bytes(8, "big") + block[8:]

    tracemalloc.start()
    try:
        upload = backend.store.open_upload(limit=size)
        for chunk in chunks():
            upload.write(chunk)
        blob = upload.finish()
        _, writing = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        read = sum(len(chunk) for chunk in backend.store.read(blob.sha256))
        digest = backend.store.digest(blob.sha256)
        _, reading = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (read, digest) == (size, blob.sha256)
    assert writing < bound
    assert reading < bound


def test_every_error_is_one_of_the_stores() -> None:
    for error in (BlobMissing, InvalidDigest, RangeNotSatisfiable, UploadClosed):
        assert issubclass(error, ArtifactStoreError)
        assert not error.retryable
