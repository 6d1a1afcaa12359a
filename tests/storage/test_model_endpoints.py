"""The settings of endpoints: what is allowed, and where secrets are that never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.endpoints import Location, covering
from storage.model_endpoints import SecretMissing, secret_for
from storage.settings import Settings, SettingsError

HOSTS = "https://models.example.org/a, http://triton:8000 http://127.0.0.1:9000"


def loaded(home: Path, **settings: str) -> Settings:
    environment = {f"GATEHOUSE_{name.upper()}": value for name, value in settings.items()}
    return Settings.load({"GATEHOUSE_MODEL_ENDPOINTS": HOSTS, **environment}, home)


def test_nothing_is_allowed_by_default(tmp_path: Path) -> None:
    settings = Settings.load({}, tmp_path)
    assert settings.allowed_endpoints == ()
    assert covering(settings.allowed_endpoints, Location.parsed("http://127.0.0.1:9000")) is None


def test_addresses_are_separated_by_spaces_or_commas(tmp_path: Path) -> None:
    allowed = [str(prefix.location) for prefix in loaded(tmp_path).allowed_endpoints]
    assert allowed == ["https://models.example.org/a", "http://triton:8000", "http://127.0.0.1:9000"]


@pytest.mark.parametrize(
    "secrets",
    [
        "https://models.example.org/a",
        "https://models.example.org/a=hunter2",
        "https://models.example.org/a=file:",
        "https://other.example.org=env:TOKEN",
        "http://triton:8000=env:TOKEN",  # in the clear
        "https://u:hunter2@models.example.org/a=env:TOKEN",
    ],
)
def test_secrets_that_cannot_be_used_are_said_in_words(tmp_path: Path, secrets: str) -> None:
    with pytest.raises(SettingsError, match="GATEHOUSE_MODEL_ENDPOINT_SECRETS") as refused:
        loaded(tmp_path, model_endpoint_secrets=secrets)
    assert "hunter2" not in str(refused.value)


def test_addresses_that_are_none_are_said_in_words(tmp_path: Path) -> None:
    for change in ({"model_endpoints": "https://h/?x"}, {"model_endpoint_failures": "0"}):
        with pytest.raises(SettingsError, match="GATEHOUSE_MODEL_ENDPOINT"):
            loaded(tmp_path, **change)


def test_the_longest_address_says_which_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    sources = f"https://models.example.org/a=env:TOKEN https://models.example.org/a/b=file:{tmp_path}/token"
    settings = loaded(tmp_path, model_endpoint_secrets=sources)
    environment = {"TOKEN": "from-variable"}

    def secret(url: str) -> str:
        return secret_for(Location.parsed(url), settings.endpoint_secrets, environment)

    assert secret("https://models.example.org/a/b/c") == "from-file"
    assert secret("https://models.example.org/a/bc") == "from-variable"
    assert secret("http://triton:8000") == ""
    assert "from-" not in repr(settings)


@pytest.mark.parametrize("content", [None, "", "two words", "hunter2\nhunter2", "ünter2", "h" * 5_000])
def test_a_secret_that_is_none_is_told_without_its_content(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    settings = loaded(tmp_path, model_endpoint_secrets=f"http://127.0.0.1:9000=file:{tmp_path}/token")
    with pytest.raises(SecretMissing, match="token") as missing:
        secret_for(Location.parsed("http://127.0.0.1:9000/x"), settings.endpoint_secrets, {})
    assert "unter" not in str(missing.value)
    assert missing.value.__cause__ is None
