"""Uploads into a local store on a disk that takes no more, refused by the kernel itself.

A program of its own, because what it does to its process cannot be undone: `python -m
tests.storage.artifacts.refusing_disk (full|capped) ROOT`. `full` mounts a file system of 2 MiB at ROOT, for
which it needs a mount namespace of its own (`unshare --map-root-user --mount`); `capped` limits the size of a
file. Prints the error's text.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from governance.artifact_store import StoreUnavailable, Upload, UploadClosed
from storage.artifacts.local import LocalArtifactStore

CAPACITY = 2 << 20


def write_all(upload: Upload) -> None:
    for _ in range(100):
        upload.write(b"x" * (1 << 18))


def main(how: str, root: Path) -> None:
    if how == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={CAPACITY}", "artifacts", root], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (CAPACITY, CAPACITY))
    store = LocalArtifactStore(root, url_path="/blobs", signing_key=bytes(32))
    upload = store.open_upload(limit=100 << 20)
    with pytest.raises(StoreUnavailable) as refusal:
        write_all(upload)
    assert refusal.value.retryable
    print(refusal.value)
    with pytest.raises(UploadClosed):
        upload.finish()
    assert not [path for path in root.rglob("*") if path.is_file()]
    with pytest.raises(StoreUnavailable):  # here the kernel takes a part of the chunk before it refuses
        store.open_upload(limit=100 << 20).write(bytes(CAPACITY + 1))
    later = store.open_upload(limit=100)
    later.write(b"small")
    blob = later.finish()
    assert store.digest(blob.sha256) == blob.sha256, "the disk has room again"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
