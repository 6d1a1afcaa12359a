"""Kills an upload into the local store with SIGKILL before each of its lines in turn.

A program of its own, so that it forks from a process without threads: `python -m
tests.storage.artifacts.crash_points ROOT` prints one JSON object: how many lines a whole upload runs
(`points`) and before how many of them the blob was already there (`visible`). Ends with an AssertionError if
any killed upload left anything that the store does not see through.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import FrameType

from governance.artifact_store import StoredBlob
from storage.artifacts.local import LocalArtifactStore

CHUNKS = (b"first " * 1000, b"second " * 1000)
TRACED = f"{os.sep}storage{os.sep}artifacts{os.sep}"


def upload(store: LocalArtifactStore) -> StoredBlob:
    arriving = store.open_upload(limit=1 << 20)
    for chunk in CHUNKS:
        arriving.write(chunk)
    return arriving.finish()


def killed_before_line(number: int, action: Callable[[], object]) -> bool:
    """Runs the action in a child that dies before its line `number`; False if the action has fewer lines."""
    child = os.fork()
    if child == 0:
        lines = count(1)

        def trace(frame: FrameType, event: str, _: object) -> object:
            if TRACED not in frame.f_code.co_filename:
                return None
            if event == "line" and next(lines) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)  # type: ignore[arg-type]
        action()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the upload itself failed: {status}"
    return status != 0


def main(root: Path) -> None:
    store = LocalArtifactStore(root, url_path="/blobs", signing_key=bytes(32))
    expected = upload(store)
    assert store.delete(expected.sha256)
    visible = 0
    for number in count(1):
        if not killed_before_line(number, lambda: upload(store)):
            break
        visible += store.exists(expected.sha256)
        check(root, expected)
    print(json.dumps({"points": number - 1, "visible": visible}))


def check(root: Path, expected: StoredBlob) -> None:
    """A process that starts afterwards finds the blob whole or absent, and can clear the rest away."""
    store = LocalArtifactStore(root, url_path="/blobs", signing_key=bytes(32))
    future = datetime.now(UTC) + timedelta(hours=1)
    if store.exists(expected.sha256):
        assert store.digest(expected.sha256) == expected.sha256
        assert store.size(expected.sha256) == expected.size
        assert list(store.unreferenced(lambda _: (), older_than=future)) == [expected.sha256]
        assert store.delete(expected.sha256)
    assert store.discard_uploads(older_than=future) <= 1
    assert not [path for path in root.rglob("*") if path.is_file()], "something stays for ever"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
