"""Starts that are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.home import records
from storage.platform_processes.starting import Wish, start_platform
from storage.platform_processes.steps import Unseen
from storage.settings import SettingsError
from tests.fixtures.platform import free_port


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEHOUSE_DATABASE_URL", "mysql://user:hunter2@127.0.0.1/db"),
        ("GATEHOUSE_PREFECT_API_URL", "http://127.0.0.1:1/api"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(PlatformError, match=variable) as refused:
        start_platform(Wish(tmp_path, {variable: value}, free_port()), Unseen())
    assert "hunter2" not in str(refused.value)


def test_an_unknown_kind_of_worker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GATEHOUSE_WORKER"):
        start_platform(Wish(tmp_path, {"GATEHOUSE_WORKER": "lukewarm"}, free_port()), Unseen())
    assert not records(tmp_path).exists()
