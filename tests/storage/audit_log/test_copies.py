"""Checkpoints in a locked bucket: what contradicts them is found, also when everything beside the log was rewritten."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from moto.server import ThreadedMotoServer

from governance.audit.chain import GENESIS, Head, link
from governance.audit.checkpoint import Checkpoint
from governance.audit.entry import draft
from governance.audit.merkle import CompactRange
from governance.audit.report import Kind
from governance.errors import NotConfigured
from storage.artifacts.probe import GuaranteeMissing
from storage.artifacts.s3_location import S3Location, is_denied
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.copies import Copier, copies_of
from storage.audit_log.running import believed_notes, copier_of, sequencer_of, signing_key_of, verify_platform
from storage.composition import Platform
from storage.settings import Settings, SettingsError
from tests.api.served import data, served
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.audit.histories import event
from tests.storage.artifacts.test_probe import bucket_on


@pytest.fixture(scope="module")
def moto() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


def settings_for(location: S3Location) -> dict[str, Any]:
    assert location.endpoint is not None
    return {
        "checkpoint_bucket": location.bucket,
        "s3_endpoint": location.endpoint,
        "s3_access_key": "id",
        "s3_secret_key": "secret",
    }


class Copied:
    """A platform whose checkpoints were copied at several sizes."""

    def __init__(self, registry: RegistryUnderTest) -> None:
        self.registry = registry
        self.platform = registry.platform
        found = copier_of(self.platform)
        assert found is not None
        self.copier = found
        self.sizes = [self.grow() for _ in range(4)]

    def grow(self) -> int:
        """The size that the newest copy covers."""
        self.registry.model()
        sequencer_of(self.platform).drain()
        self.copier.copy()
        assert self.copier.status.error is None
        return self.copier.status.copied

    def kinds(self) -> set[Kind]:
        return {finding.kind for finding in verify_platform(self.platform, copies=True).findings}


@pytest.fixture
def copied(moto: ThreadedMotoServer, database_url: str, tmp_path: Path) -> Iterator[Copied]:
    location = bucket_on(moto, lock=True)
    with opened_registry(database_url, tmp_path / "home", **settings_for(location)) as registry:
        yield Copied(registry)


def test_copies_are_there_locked_and_agree(copied: Copied) -> None:
    assert copied.sizes == sorted(set(copied.sizes))
    assert copied.kinds() == set()
    client = copied.copier._copies.client
    bucket = copied.platform.settings.checkpoint_bucket
    stored = [one for one in client.list_object_versions(Bucket=bucket)["Versions"] if "checkpoints/" in one["Key"]]
    assert len(stored) == len(copied.sizes)
    for one in stored:
        kept = client.head_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        assert kept["ObjectLockMode"] == "COMPLIANCE"
        assert kept["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=3_000)
        with pytest.raises(client.exceptions.ClientError) as refused:
            client.delete_object(
                Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True
            )
        assert is_denied(refused.value)


def test_nothing_is_copied_twice(copied: Copied) -> None:
    for _ in range(3):
        copied.copier.copy()
    notes = list(copied.copier._copies.notes())
    assert len(notes) == len(copied.sizes)


def rewrite(copied: Copied, keep: int, *, forge: bool) -> None:
    """What the owner of the machine can do: the log to `keep` entries, perhaps others after them, and the checkpoint
    files made again with the platform's own keys, so that everything on the machine agrees.
    """
    platform = copied.platform
    with psycopg.connect(platform.settings.database_url) as connection:
        connection.execute("alter table audit_entries disable trigger all")
        connection.execute("alter table audit_head disable trigger all")
        size = connection.execute("select size from audit_head").fetchone()
        assert size is not None
        connection.execute("delete from audit_entries where seq >= %s", (keep,))
        connection.execute("delete from audit_index where seq >= %s", (keep,))
        tree, chain = CompactRange(), GENESIS
        for seq, leaf in connection.execute("select seq, leaf from audit_entries order by seq").fetchall():
            chain = link(chain, seq, leaf)
            tree.append(leaf)
        for number in range(size[0] - keep if forge else 0):
            row = draft(event(90_000 + number), platform.audit_key)
            chain = link(chain, tree.size, row.leaf)
            connection.execute(
                "insert into audit_entries (seq, entry, leaf, mac, chain) values (%s, %s, %s, %s, %s)",
                (tree.size, *row, chain),
            )
            tree.append(row.leaf)
        head = Head(tree.size, chain, tree.frontier)
        connection.execute(
            "update audit_head set size = %s, chain = %s, frontier = %s", (head.size, head.chain, list(head.frontier))
        )
        for trigger in ("change", "edit"):
            name = f"audit_entries_refuse_{trigger}"
            connection.execute(f"alter table audit_entries enable always trigger {name}".encode())
        connection.execute("alter table audit_head enable always trigger audit_head_refuse_change")
    directory = platform.settings.audit_directory
    for path in directory.glob("checkpoint*"):
        path.unlink()
    key = signing_key_of(platform)
    if head.size:
        note = Checkpoint(believed_notes(platform)[0].name, head.size, head.root()).signed(key)
        with CheckpointFiles(directory).writing() as writer:
            writer.append(note)


def assert_only_the_copies_know(copied: Copied, case: object) -> None:
    local = verify_platform(copied.platform, index=False)
    assert local.ok, (case, [str(finding) for finding in local.findings])
    assert copied.kinds() == {Kind.COPY}, case


@pytest.mark.parametrize("forge", [False, True], ids=["cut", "rewritten"])
def test_a_history_that_agrees_with_itself_is_found_by_its_copies(copied: Copied, forge: bool) -> None:
    rewrite(copied, copied.sizes[1] - 1, forge=forge)
    assert_only_the_copies_know(copied, forge)


def found_in_every_case(copied: Copied, cases: int) -> int:
    """Cut or rewritten ever further from the end; each on top of the ones before."""
    with psycopg.connect(copied.platform.settings.database_url) as connection:
        row = connection.execute("select size from audit_head").fetchone()
    assert row is not None
    sizes = sorted(Random(7).sample(range(1, copied.sizes[-1]), min(cases, copied.sizes[-1] - 1)), reverse=True)
    for number, keep in enumerate(sizes):
        rewrite(copied, keep, forge=bool(number % 2))
        assert_only_the_copies_know(copied, keep)
    return len(sizes)


@pytest.mark.prove
def test_every_cut_and_rewriting_is_found_by_the_copies(copied: Copied) -> None:
    assert found_in_every_case(copied, 30) >= 20


def test_a_copy_by_somebody_else_is_named_and_hides_nothing(copied: Copied) -> None:
    copies = copied.copier._copies
    key = f"{copies._prefix}{copied.sizes[0]:019d}"
    copies.client.put_object(Bucket=copied.platform.settings.checkpoint_bucket, Key=key, Body=b"not a note")
    assert copied.kinds() == {Kind.COPY}
    assert len(list(copies.notes())) == len(copied.sizes) + 1


def test_no_copies_at_all_is_a_finding(copied: Copied, moto: ThreadedMotoServer) -> None:
    empty = bucket_on(moto, lock=True)
    settings = replace(copied.platform.settings, checkpoint_bucket=empty.bucket)
    report = verify_platform(Platform(settings), copies=True)
    assert {finding.kind for finding in report.findings} == {Kind.COPY}


def test_a_bucket_without_locks_is_refused_at_the_start(
    moto: ThreadedMotoServer, database_url: str, tmp_path: Path
) -> None:
    location = bucket_on(moto, lock=False)
    with (
        opened_registry(database_url, tmp_path / "home", **settings_for(location)) as registry,
        pytest.raises(GuaranteeMissing, match=location.bucket),
    ):
        copier_of(registry.platform)


def test_without_a_bucket_there_is_nothing_to_compare(registry_under_test: RegistryUnderTest) -> None:
    sequencer_of(registry_under_test.platform).drain()
    assert copier_of(registry_under_test.platform) is None
    with pytest.raises(NotConfigured, match="GATEHOUSE_CHECKPOINT_BUCKET"):
        verify_platform(registry_under_test.platform, copies=True)


def test_a_store_that_is_gone_stops_nothing_and_is_told(copied: Copied) -> None:
    """The copy fails, the log goes on; when the store is back, the newest checkpoint is copied."""
    settings = replace(copied.platform.settings, s3_endpoint="http://127.0.0.1:9")
    believed = believed_notes(copied.platform)
    broken = copies_of(settings, believed[0].name)
    files = CheckpointFiles(settings.audit_directory)
    copier = Copier(files, lambda: believed, broken, 1, lambda: datetime.now(UTC))
    copied.registry.model()
    moved = sequencer_of(copied.platform).drain()
    assert moved > 0
    copier.copy()
    assert copier.status.error is not None
    assert copier.status.copied == 0
    copier._copies = copied.copier._copies
    copier.copy()
    status = copier.status
    assert (status.error, status.copied > copied.sizes[-1]) == (None, True)
    assert copied.kinds() == set()


def test_a_running_platform_copies_and_tells(moto: ThreadedMotoServer, database_url: str, tmp_path: Path) -> None:
    location = bucket_on(moto, lock=True)
    with served(database_url, tmp_path / "home", sequence_audit=True, **settings_for(location)) as api:
        ready = data(api.anonymous.get("/ready"))
        assert ready["checkpointCopies"] is True


def test_without_a_bucket_nothing_is_said_of_copies(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path / "home") as api:
        assert data(api.anonymous.get("/ready"))["checkpointCopies"] is None


def test_settings_are_checked() -> None:
    home = Path(f"/nowhere-{secrets.token_hex(4)}")
    with pytest.raises(SettingsError, match="AUDIT_RETENTION_MONTHS"):
        Settings.load({"GATEHOUSE_AUDIT_RETENTION_MONTHS": "5"}, home)
    assert Settings.load({"GATEHOUSE_AUDIT_RETENTION_MONTHS": "6"}, home).audit_retention_months == 6
    assert Settings.load({"GATEHOUSE_CHECKPOINT_BUCKET": "b"}, home).checkpoint_retention_days > 0
