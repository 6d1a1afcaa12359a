"""`gatehouse audit retain`, `reindex` and the further checks of `verify`, by the functions behind the commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.cli import auditing
from governance.audit.event import Actor, AuditEvent, Subject
from governance.errors import NotConfigured
from storage.audit_log import append
from storage.audit_log.retention import archive_directory
from storage.audit_log.running import sequencer_of
from storage.composition import new_id
from storage.platform_processes import looking
from storage.settings import Settings
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query


@pytest.fixture
def standing(registry_under_test: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> RegistryUnderTest:
    """A platform that stands, as the commands find one, with an entry of three years ago."""
    r = registry_under_test
    old = AuditEvent(
        new_id(), datetime.now(UTC) - timedelta(days=1100), Actor("user", "u", "Ann"), "a:b", Subject("thing", "t")
    )
    with r.platform.engine.begin() as connection:
        append(connection, [old], key=r.platform.audit_key)
    sequencer_of(r.platform).drain()
    settings: dict[str, Any] = {"audit_retention_months": 24}

    def found(_: Settings) -> Settings:
        from dataclasses import replace

        return replace(r.settings, **settings)

    monkeypatch.setattr(looking, "demand_platform", found)
    return r


def test_retention_is_tried_applied_and_verified(
    standing: RegistryUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auditing.apply_retention(tmp_path, True, True)
    assert json.loads(capsys.readouterr().out)["months"][0]["archive"] is None
    auditing.apply_retention(tmp_path, False, False)
    assert "1 texts were moved to archives." in capsys.readouterr().out
    archives = archive_directory(standing.platform)
    assert auditing.verify_audit_log(tmp_path, False, archives=archives, index=True)
    assert "1 texts archived" in " ".join(capsys.readouterr().out.split())
    next(archives.iterdir()).write_text("")
    assert not auditing.verify_audit_log(tmp_path, True, archives=archives)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["kind"] == "archive"


def test_an_edited_index_is_found_and_made_again(
    standing: RegistryUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query(standing, "update audit_index set actor_id = 'somebody else'")
    assert auditing.verify_audit_log(tmp_path, False)
    assert not auditing.verify_audit_log(tmp_path, False, index=True)
    auditing.rebuild_index(tmp_path)
    assert "are indexed" in capsys.readouterr().out
    assert auditing.verify_audit_log(tmp_path, False, index=True)


def test_what_is_not_set_up_is_said(
    standing: RegistryUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "demand_platform", lambda _: standing.settings)
    with pytest.raises(NotConfigured, match="GATEHOUSE_AUDIT_RETENTION_MONTHS"):
        auditing.apply_retention(tmp_path, False, False)
    with pytest.raises(NotConfigured, match="GATEHOUSE_CHECKPOINT_BUCKET"):
        auditing.verify_audit_log(tmp_path, False, copies=True)
