"""`status`: the platform at this moment, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.options import settings_of

if TYPE_CHECKING:
    from storage.platform_processes.looking import PartStatus, PlatformStatus


def show_status(home: Path | None, as_json: bool) -> bool:
    """Print it; whether everything is healthy."""
    from storage.platform_processes.looking import look

    status = look(settings_of(home))
    if as_json:
        print(json.dumps(status.to_json(), indent=2))
    else:
        _print_for_people(status)
    return status.healthy


def _print_for_people(status: PlatformStatus) -> None:
    console = Console()
    table = Table("Part", "State", "PID", "Memory", "Since", box=None, pad_edge=False, header_style="bold")
    for name, part in status.processes.items():
        memory = "" if part.memory_mb is None else f"{part.memory_mb:.0f} MB"
        table.add_row(name, _state(part), str(part.pid or ""), memory, part.since or "")
    console.print(table, highlight=False)
    addresses = Table(show_header=False, box=None, pad_edge=False)
    addresses.add_column(style="bold")
    addresses.add_column(overflow="fold")
    for title, value in (
        ("Home", status.home),
        ("API", status.api_url),
        ("Dashboard", status.dashboard_url),
        ("Admin password", status.admin_password_file),
        ("Admin token", status.admin_token_file),
    ):
        if value is not None:
            addresses.add_row(title, str(value))
    console.print()
    console.print(addresses, highlight=False)


def _state(part: PartStatus) -> Text:
    if part.healthy:
        return Text("healthy", "green")
    return Text("does not answer", "yellow") if part.running else Text("stopped", "red")
