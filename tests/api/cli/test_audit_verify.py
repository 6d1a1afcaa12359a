"""`gatehouse audit verify` on a log that somebody with all rights has edited."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.platform import RunningPlatform, gatehouse


@pytest.fixture
def platform(platform_home: RunningPlatform) -> RunningPlatform:
    if not platform_home.status().healthy:
        platform_home.up()
    return platform_home


def _rewrite(platform: RunningPlatform, seq: int, old: str, new: str) -> None:
    """Edit an entry behind everybody's back, as the owner of the table can."""
    with psycopg.connect(platform.runtime["database_url"]) as connection:
        connection.execute("alter table audit_entries disable trigger all")
        changed = connection.execute(
            "update audit_entries set entry = replace(entry, %s, %s) where seq = %s and position(%s in entry) > 0",
            [old, new, seq, old],
        ).rowcount
        connection.execute("alter table audit_entries enable always trigger audit_entries_refuse_change")
    assert changed == 1


def test_an_edited_entry_is_found(platform: RunningPlatform) -> None:
    intact = platform.run("audit", "verify")
    assert intact.returncode == 0, intact.stderr
    assert "intact" in intact.stdout

    _rewrite(platform, 0, '"admin"', '"adnim"')
    try:
        found = platform.run("audit", "verify")
        assert found.returncode == 1
        assert "edited" in found.stdout
        for_programs = platform.run("audit", "verify", "--json")
        assert for_programs.returncode == 1
        report = json.loads(for_programs.stdout)
        assert report["ok"] is False
        assert [(each["kind"], each["first"]) for each in report["findings"]] == [("edited", 0)]
    finally:
        _rewrite(platform, 0, '"adnim"', '"admin"')
    restored = json.loads(platform.run("audit", "verify", "--json").stdout)
    assert restored["ok"] is True
    assert restored["entries"] >= 2
    assert restored["outbox"] == 0


def test_without_a_platform_nothing_can_be_verified(tmp_path: Path) -> None:
    done = gatehouse("audit", "verify", "--home", tmp_path / "nothing")
    assert done.returncode == 2
    assert "gatehouse up" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nothing").exists()


def test_without_its_keys_nothing_can_be_verified(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "runtime.json").write_text(json.dumps(platform.runtime))
    done = gatehouse("audit", "verify", "--home", tmp_path)
    assert done.returncode == 2
    assert "audit-signing.pem" in done.stderr
    assert not (tmp_path / "keys").exists()


def test_without_the_database_nothing_can_be_verified(platform: RunningPlatform, tmp_path: Path) -> None:
    nowhere = "postgresql://nobody:nothing@127.0.0.1:1/none"
    done = platform.run("audit", "verify", GATEHOUSE_DATABASE_URL=nowhere)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
