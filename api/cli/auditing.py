"""`audit verify`, `audit retain`, `audit reindex`: the log against itself, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.options import settings_of

if TYPE_CHECKING:
    from governance.audit.report import Report


def verify_audit_log(
    home: Path | None, as_json: bool, *, archives: Path | None = None, copies: bool = False, index: bool = False
) -> bool:
    """Print the findings; whether there are none.

    Raises KeyFileError, psycopg.Error, OSError, PlatformError, NotConfigured, StoreUnavailable.
    """
    from storage.audit_log.running import sequence_waiting, verify_platform
    from storage.composition import Platform
    from storage.platform_processes.looking import demand_platform

    platform = Platform(demand_platform(settings_of(home)))
    console = Console(stderr=True)
    with console.status("Bringing what waits into the log") as status:
        obstacle = sequence_waiting(platform)
        if obstacle is not None:
            console.print(f"Note: {obstacle}", markup=False, highlight=False, soft_wrap=True)
        report = verify_platform(
            platform,
            lambda entries: status.update(f"Verifying: {entries:,} entries"),
            archives=archives,
            copies=copies,
            index=index,
        )
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print_for_people(report)
    return report.ok


def _print_for_people(report: Report) -> None:
    console = Console()
    counted = f"{report.entries:,} entries, {report.checkpoints:,} checkpoints; {report.sealed:,} entries sealed"
    if report.removed:
        counted += f"; {report.removed:,} texts archived"
    if report.ok:
        console.print(Text.assemble(("The audit log is intact: ", "green"), counted + "."))
        return
    found = len(report.findings) + report.unlisted
    console.print(Text.assemble((f"The audit log does not hold: {found:,} findings ", "red"), f"({counted})."))
    table = Table("Finding", "Entries", "What", box=None, pad_edge=False, header_style="bold")
    for finding in report.findings:
        table.add_row(str(finding.kind), _entries(finding.seq, finding.last), Text(finding.message))
    console.print(table, highlight=False)
    if report.unlisted:
        console.print(f"and {report.unlisted:,} more.", highlight=False)


def _entries(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return str(first) if last in (None, first) else f"{first}-{last}"


def apply_retention(home: Path | None, as_json: bool, dry_run: bool) -> None:
    """Print what was removed by month. Raises GovernanceError, psycopg.Error, OSError, PlatformError."""
    from governance.errors import NotConfigured
    from storage.audit_log.retention import retain
    from storage.audit_log.running import sequence_waiting
    from storage.composition import Platform
    from storage.platform_processes.looking import demand_platform

    platform = Platform(demand_platform(settings_of(home)))
    months = platform.settings.audit_retention_months
    if not months:
        raise NotConfigured("Everything is kept for ever; GATEHOUSE_AUDIT_RETENTION_MONTHS sets a limit.")
    try:
        sequence_waiting(platform)
        found = retain(platform, platform.system_call(), months=months, dry_run=dry_run)
        sequence_waiting(platform)
    finally:
        platform.close()
    if as_json:
        print(json.dumps({"dryRun": dry_run, "months": [month.to_json() for month in found]}, indent=2))
        return
    console = Console()
    table = Table("Month", "Removed", "Held", "Archive", box=None, pad_edge=False, header_style="bold")
    for month in found:
        table.add_row(month.month, f"{month.entries:,}", f"{month.held:,}", month.archive or "")
    if found:
        console.print(table, highlight=False)
    doing = "would be moved" if dry_run else "were moved"
    console.print(f"{sum(month.entries for month in found):,} texts {doing} to archives.", highlight=False)


def rebuild_index(home: Path | None) -> None:
    """Raises psycopg.Error, PlatformError."""
    import psycopg

    from storage.audit_log.indexing import rebuild
    from storage.platform_processes.looking import demand_platform

    settings = demand_platform(settings_of(home))
    with psycopg.connect(settings.database_url, connect_timeout=10) as connection:
        row = connection.execute("select size from audit_head").fetchone()
        made = rebuild(connection, row[0] if row else 0)
    print(f"{made:,} entries are indexed.")
