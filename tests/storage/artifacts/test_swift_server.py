"""The session's Swift: skipped where it cannot run, with the reason, but never in CI."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.fixtures import swift_server as fixture
from tests.fixtures.swift_server import SwiftServer


def refuse(*_: object) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def test_its_secret_is_in_no_representation(swift_server: SwiftServer) -> None:
    assert swift_server.secret_key not in repr(swift_server)


def test_without_extended_attributes_its_tests_are_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fixture, "CANDIDATES", (str(tmp_path),))
    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"extended attributes.*not supported"):
        fixture.home_with_extended_attributes()

    assert list(tmp_path.iterdir()) == []


def test_in_ci_that_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fixture, "CANDIDATES", (str(tmp_path), str(tmp_path / "missing")))
    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="may not be skipped in CI"):
        fixture.home_with_extended_attributes()
