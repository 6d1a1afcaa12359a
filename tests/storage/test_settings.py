"""Settings come from the environment, then from the running platform's file, then from defaults; nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from storage.settings import Settings, SettingsError, runtime_file, write_runtime


def test_defaults(tmp_path: Path) -> None:
    settings = Settings.load({}, tmp_path)
    assert settings == Settings(home=tmp_path)
    assert settings.upload_limit == 5 * 1024**3
    assert list(tmp_path.iterdir()) == [], "loading touches nothing"


def test_the_environment_comes_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    write_runtime(tmp_path, {"api_url": "http://127.0.0.1:1", "worker_limit": 3, "unknown": "ignored"})
    settings = Settings.load({"GATEHOUSE_API_URL": "http://127.0.0.1:2", "GATEHOUSE_TOKEN_DAYS": "7"}, tmp_path)
    assert (settings.api_url, settings.worker_limit, settings.token_days) == ("http://127.0.0.1:2", 3, 7)
    assert Settings.load({"GATEHOUSE_API_URL": ""}, tmp_path).api_url == "http://127.0.0.1:1", "empty is not set"


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load({}).home == tmp_path / ".gatehouse"
    assert Settings.load({"GATEHOUSE_HOME": "~/elsewhere"}).home == tmp_path / "elsewhere"
    assert Settings.load({"GATEHOUSE_HOME": "/x"}, tmp_path).home == tmp_path
    monkeypatch.chdir(tmp_path)
    assert Settings.load({"GATEHOUSE_HOME": "here"}).home == tmp_path / "here"


@pytest.mark.parametrize(
    "environment",
    [
        {"GATEHOUSE_WORKER": "hot"},
        {"GATEHOUSE_ARTIFACT_STORE": "ftp"},
        {"GATEHOUSE_ARTIFACT_STORE": "s3"},
        {"GATEHOUSE_WORKER_LIMIT": "many"},
        {"GATEHOUSE_WORKER_LIMIT": "-1"},
        {"GATEHOUSE_UPLOAD_LIMIT": "5GB"},
        {"GATEHOUSE_TOKEN_DAYS": "1.5"},
        {"GATEHOUSE_S3_RETENTION_MODE": "FOREVER"},
        {"GATEHOUSE_S3_RETENTION_MODE": "GOVERNANCE"},
        {"GATEHOUSE_S3_RETENTION_DAYS": "1"},
    ],
)
def test_what_cannot_be_used_is_said_in_words(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="GATEHOUSE_"):
        Settings.load(environment, tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"nonsense"])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    runtime_file(tmp_path).write_bytes(content)
    with pytest.raises(SettingsError, match=r"runtime\.json"):
        Settings.load({}, tmp_path)


def test_a_file_that_holds_no_settings_sets_nothing(tmp_path: Path) -> None:
    runtime_file(tmp_path).write_text("[]")
    assert Settings.load({}, tmp_path) == Settings(home=tmp_path)


def test_the_file_is_for_its_owner_only_and_replaced_at_once(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    for address in ("http://127.0.0.1:1", "http://127.0.0.1:2"):
        write_runtime(home, {"api_url": address})
    assert stat.S_IMODE(runtime_file(home).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["runtime.json"]
    assert Settings.load({}, home).api_url == "http://127.0.0.1:2"


def test_secrets_do_not_show(tmp_path: Path) -> None:
    settings = Settings.load(
        {
            "GATEHOUSE_DATABASE_URL": "postgresql://me:hunter2@db/x",
            "GATEHOUSE_S3_ACCESS_KEY": "hunter3",
            "GATEHOUSE_S3_SECRET_KEY": "hunter4",
        },
        tmp_path,
    )
    assert settings.database_url.endswith("hunter2@db/x")
    assert "hunter" not in repr(settings)
    assert "hunter" not in str(settings)
