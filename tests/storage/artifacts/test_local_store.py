"""What only the local store has: permissions, crashes of its own process, a disk that refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from governance.artifact_store import StoreUnavailable
from storage.artifacts.local import LocalArtifactStore
from tests.storage.artifacts.conftest import SIGNING_KEY, LocalBackend

REPOSITORY = Path(__file__).parents[3]

HALF_AN_UPLOAD = """
import sys
from pathlib import Path
from storage.artifacts.local import LocalArtifactStore
store = LocalArtifactStore(Path(sys.argv[1]), url_path="/blobs", signing_key=bytes(32))
upload = store.open_upload(limit=1 << 30)
for _ in range(32):
    upload.write(bytes(1 << 20))
print("half way", flush=True)
sys.stdin.readline()
"""


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def stored(local: LocalBackend, content: bytes) -> Path:
    upload = local.store.open_upload(limit=len(content))
    upload.write(content)
    sha256 = upload.finish().sha256
    return local.root / "blobs" / sha256[:2] / sha256


def run_module(name: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", f"tests.storage.artifacts.{name}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_blob_is_read_only_and_for_nobody_else(local: LocalBackend) -> None:
    path = stored(local, b"content")

    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.stat().st_nlink == 1
    for directory in (local.root, path.parent, path.parent.parent, local.root / "uploads"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_what_arrives_is_private_meanwhile(local: LocalBackend) -> None:
    upload = local.store.open_upload(limit=10)
    upload.write(b"secret")

    (part,) = (local.root / "uploads").iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    upload.abort()


def test_the_path_is_that_of_the_blob_itself(local: LocalBackend) -> None:
    path = stored(local, b"content")

    with local.store.local_path(path.name) as given:
        assert given == path


def test_killed_before_every_line_of_an_upload(tmp_path: Path) -> None:
    done = run_module("crash_points", str(tmp_path / "artifacts"))

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["points"] > 40, "the tracer no longer sees the upload's lines"
    assert 0 < seen["visible"] < seen["points"]


def test_killed_half_way_leaves_what_is_collected_later(local: LocalBackend) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_AN_UPLOAD, str(local.root)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        assert local.store.discard_uploads(older_than=in_an_hour()) == 0, "its writer lives"
        process.kill()
    assert process.returncode == -signal.SIGKILL

    assert len(local.everything()) == 1
    assert list(local.store.unreferenced(lambda _: (), older_than=in_an_hour())) == []
    assert local.store.discard_uploads(older_than=datetime.now(UTC) - timedelta(hours=1)) == 0, "too young"
    assert local.store.discard_uploads(older_than=in_an_hour()) == 1
    assert local.everything() == set()


def test_an_upload_in_flight_survives_the_collector(local: LocalBackend) -> None:
    upload = local.store.open_upload(limit=10)
    upload.write(b"slow")

    assert local.store.discard_uploads(older_than=in_an_hour()) == 0

    assert local.store.exists(upload.finish().sha256)


def test_the_same_upload_again_makes_an_old_blob_young(local: LocalBackend) -> None:
    path = stored(local, b"content")
    long_ago = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    os.utime(path, (long_ago, long_ago))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert list(local.store.unreferenced(lambda _: (), older_than=an_hour_ago)) == [path.name]

    stored(local, b"content")  # someone wants it again, between the collector's listing and its deletion

    assert not local.store.delete(path.name, older_than=an_hour_ago)
    assert path.read_bytes() == b"content"


def test_a_foreign_file_among_the_blobs_is_left_alone(local: LocalBackend) -> None:
    foreign = local.root / "blobs" / "ab" / "README"
    foreign.write_text("not a blob")

    assert list(local.store.unreferenced(lambda _: (), older_than=in_an_hour())) == []
    assert foreign.exists()


def test_a_second_start_finds_what_the_first_stored(local: LocalBackend) -> None:
    path = stored(local, b"content")

    again = LocalArtifactStore(local.root, url_path="/x", signing_key=SIGNING_KEY)

    assert b"".join(again.read(path.name)) == b"content"


def test_a_file_that_grows_too_large_for_the_system(tmp_path: Path) -> None:
    done = run_module("refusing_disk", "capped", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout


def test_a_full_disk(tmp_path: Path) -> None:
    own_mounts = ("unshare", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*own_mounts, "true"], check=False).returncode:
        pytest.skip("no mount namespace of one's own on this machine")

    done = run_module("refusing_disk", "full", str(tmp_path), before=own_mounts)

    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout


def test_a_root_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable):
        LocalArtifactStore(tmp_path / "file", url_path="/x", signing_key=SIGNING_KEY)


def test_a_store_whose_directory_went_away_is_unavailable(local: LocalBackend) -> None:
    begun = local.store.open_upload(limit=10)
    begun.write(b"content")
    shutil.rmtree(local.root)

    with pytest.raises(StoreUnavailable):
        begun.finish()
    with pytest.raises(StoreUnavailable):
        local.store.open_upload(limit=10)
    begun.abort()
