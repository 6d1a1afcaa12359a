"""The platform of a flow's process: put together once, and anew when `up` has chosen other addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.runtime import _home, platform
from storage.settings import write_runtime


def test_a_spare_that_was_warm_before_takes_the_addresses_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.delenv("GATEHOUSE_API_URL", raising=False)
    _home.cache_clear()
    try:
        write_runtime(tmp_path, {"api_url": "http://127.0.0.1:1111"})
        first = platform()
        assert platform() is first
        write_runtime(tmp_path, {"api_url": "http://127.0.0.1:1111"})
        assert platform() is first  # written again, and nothing new
        write_runtime(tmp_path, {"api_url": "http://127.0.0.1:2222"})
        assert platform().settings.api_url == "http://127.0.0.1:2222"
    finally:
        _home.cache_clear()
