"""`reconcile`: take up the requests that an outage left without a run, and do what time has come for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from api.cli.options import settings_of


def reconcile_once(home: Path | None) -> bool:
    """Print what was done; False when the orchestrator could not be reached for a request. Raises
    DependencyUnavailable, SettingsError.
    """
    from governance.operations.launching import reconcile
    from governance.operations.tending import tend
    from storage.composition import Platform
    from storage.platform_processes.looking import demand_platform

    platform = Platform(demand_platform(settings_of(home)), pool_size=2)
    try:
        done = reconcile(
            platform.new_unit,
            platform.launcher,
            platform.system_call("reconcile"),
            orphan_after=timedelta(seconds=platform.settings.orphan_seconds),
        )
        tended = tend(platform.new_unit, platform.launcher, platform.system_call("reconcile"))
    finally:
        platform.engine.dispose()
    kinds = {
        "launched": done.launched,
        "launched again": done.relaunched,
        "woken": done.woken,
        "not reached": done.unreachable,
        "reminded": tended.reminded,
        "escalated": tended.escalated,
        "expired": tended.expired,
        "review overdue": tended.overdue,
    }
    console = Console()
    if not any(kinds.values()):
        console.print("Nothing to do: every undecided request is being worked on or waits for people.")
        return True
    table = Table("What", "Request", box=None, pad_edge=False, header_style="bold")
    for kind, requests in kinds.items():
        for request in requests:
            table.add_row(kind, request)
    console.print(table, highlight=False)
    return not done.unreachable
