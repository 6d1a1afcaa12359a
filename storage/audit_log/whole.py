"""Everything that can be verified about the log of a platform, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg

from governance.audit.keeping import Keeping
from governance.audit.note import Believed
from governance.audit.report import Findings, Kind, Report, with_more
from storage.audit_log.archives import check_archives, check_holds
from storage.audit_log.copies import CheckpointCopies, compare
from storage.audit_log.indexing import disagreeing
from storage.audit_log.reading import verify_transaction


def verify_whole(
    dsn: str,
    checkpoint_dir: Path,
    *,
    public_key: Believed,
    mac_key: bytes | None,
    progress: Callable[[int], None] | None = None,
    archives: Path | None = None,
    copies: CheckpointCopies | None = None,
    index: bool = False,
) -> Report:
    """The log, its checkpoints, its retention and holds; where asked for, archives, copies and the index as well.

    Raises psycopg.Error, OSError, StoreUnavailable.
    """
    keeping, more = Keeping(), Findings()
    with psycopg.connect(dsn, connect_timeout=10, application_name="gatehouse audit verify") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        report = verify_transaction(
            connection, checkpoint_dir, public_key=public_key, mac_key=mac_key, progress=progress, keeping=keeping
        )
        check_holds(connection, keeping, more)
        if archives is not None:
            check_archives(connection, archives, keeping, more)
        if copies is not None:
            compare(connection, copies, public_key, more)
        if index:
            for seq in disagreeing(connection):
                more.add(Kind.INDEX, "the index does not say what the entry says", seq)
    return with_more(report, more)
