"""The tamper matrix on rows in PostgreSQL: every case in a transaction of its own that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg
import pytest

from governance.audit.entry import Entry
from governance.audit.report import Kind, Report
from storage.audit_log.reading import verify_transaction
from tests.governance.audit.histories import AUDIT_KEY, VERIFIER, head_of
from tests.governance.audit.tampering import TAMPERINGS, Tampered
from tests.storage.audit_log.platform import AuditedPlatform

ENTRIES = 150


@pytest.fixture
def sealed(platform: AuditedPlatform) -> AuditedPlatform:
    """Checkpoints at 40, 41, 100 and 150 entries."""
    for count in (40, 1, 59, 50):
        platform.record(count)
        platform.sequencer().drain()
    return platform


def stored(connection: psycopg.Connection[Any]) -> list[Entry]:
    rows = connection.execute("select seq, entry, leaf, mac, chain from audit_entries order by seq")
    return [Entry(*row) for row in rows]


@contextmanager
def tampered(platform: AuditedPlatform, case: Tampered, before: list[Entry]) -> Iterator[psycopg.Connection[Any]]:
    """A transaction in which the log is as `case` says; only rows that differ are touched."""
    with psycopg.connect(platform.dsn) as connection:
        for table in ("audit_entries", "audit_head"):
            connection.execute(f"alter table {table} disable trigger all")
        kept = set(before) & set(case.entries)
        gone = [row.seq for row in before if row not in kept]
        connection.execute("delete from audit_entries where seq = any(%s)", (gone,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into audit_entries (seq, entry, leaf, mac, chain) values (%s, %s, %s, %s, %s)",
                [row for row in case.entries if row not in kept],
            )
        connection.execute(
            "update audit_head set size = %s, chain = %s, frontier = %s",
            (case.head.size, case.head.chain, list(case.head.frontier)),
        )
        yield connection
        connection.rollback()


def verified(platform: AuditedPlatform, connection: psycopg.Connection[Any], mac_key: bytes | None) -> Report:
    return verify_transaction(connection, platform.directory, public_key=VERIFIER, mac_key=mac_key)


def found_in_every_case(platform: AuditedPlatform, share: float) -> int:
    with psycopg.connect(platform.dsn) as connection:
        before = stored(connection)
    assert len(before) == ENTRIES
    cases = 0
    for tampering in TAMPERINGS:
        random = Random(f"stored {tampering.name}")
        for _ in range(max(1, round(tampering.cases * share))):
            case = tampering.apply(list(before), random)
            with tampered(platform, case, before) as connection:
                found = verified(platform, connection, AUDIT_KEY).findings
                kinds = {finding.kind for finding in found}
                assert case.kinds <= kinds, (tampering.name, [str(finding) for finding in found])
                # Without the audit key everything is found but what touches the mac alone.
                stranger = verified(platform, connection, None)
                assert not stranger.ok or tampering.name == "edit mac"
            cases += 1
    assert platform.verify().ok
    return cases


def test_a_sample_of_the_matrix_is_found(sealed: AuditedPlatform) -> None:
    assert found_in_every_case(sealed, 0.05) >= len(TAMPERINGS)


@pytest.mark.prove
def test_the_whole_matrix_is_found(sealed: AuditedPlatform) -> None:
    assert found_in_every_case(sealed, 1.0) >= 800


def test_without_checkpoints_a_rewritten_log_would_pass(sealed: AuditedPlatform) -> None:
    """Why they exist: with the stolen audit key, rows and head can be made to agree again."""
    with psycopg.connect(sealed.dsn) as connection:
        before = stored(connection)
    rewriting = next(each for each in TAMPERINGS if each.name == "rewrite")
    case = rewriting.apply(list(before), Random(1))
    assert case.head == head_of(case.entries)
    for path in sealed.directory.iterdir():
        path.unlink()
    with tampered(sealed, case, before) as connection:
        report = verified(sealed, connection, AUDIT_KEY)
    assert [finding.kind for finding in report.findings] == [Kind.UNSEALED]
