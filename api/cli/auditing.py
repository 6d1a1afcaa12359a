"""`audit verify`: the whole log against its hashes, keys and checkpoints."""

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


def verify_audit_log(home: Path | None, as_json: bool) -> bool:
    """Print the findings; whether there are none. Raises KeyFileError, psycopg.Error, OSError, PlatformError."""
    from storage.audit_log.running import sequence_waiting, verify_platform
    from storage.composition import Platform
    from storage.platform_processes.looking import demand_platform

    platform = Platform(demand_platform(settings_of(home)))
    console = Console(stderr=True)
    with console.status("Bringing what waits into the log") as status:
        obstacle = sequence_waiting(platform)
        if obstacle is not None:
            console.print(f"Note: {obstacle}", markup=False, highlight=False, soft_wrap=True)
        report = verify_platform(platform, lambda entries: status.update(f"Verifying: {entries:,} entries"))
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print_for_people(report)
    return report.ok


def _print_for_people(report: Report) -> None:
    console = Console()
    counted = f"{report.entries:,} entries, {report.checkpoints:,} checkpoints; {report.sealed:,} entries sealed"
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
