"""`up`, `down`, and the table of addresses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from api.cli.options import settings_of
from api.cli.progress import shown

if TYPE_CHECKING:
    from storage.settings import Settings


def bring_up(home: Path | None, port: int | None, worker: str | None) -> Settings:
    """Make the platform run; the settings that its processes read. Raises PlatformError, PostgresUnavailable."""
    chosen = settings_of(home).home
    with shown() as steps:
        # Inside, so that something is on the screen while this is imported.
        from storage.platform_processes.starting import Wish, start_platform

        start_platform(Wish(chosen, os.environ, port, worker), steps)
    return settings_of(chosen)


def print_addresses(settings: Settings) -> None:
    from storage.platform_processes.home import admin_password_file, admin_token_file

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("API", f"{settings.api_url}/docs")
    table.add_row("Dashboard", settings.dashboard_url)
    table.add_row("Sign in", f"{settings.api_url}/sign-in as admin, password in {admin_password_file(settings.home)}")
    table.add_row("Admin token", str(admin_token_file(settings.home)))
    Console().print(table, highlight=False)


def bring_down(home: Path | None, keep_database: bool) -> bool:
    """Stop the platform; False when nothing ran. Raises PlatformError, PostgresUnavailable."""
    chosen = settings_of(home).home
    with shown() as steps:
        from storage.platform_processes.stopping import stop_platform

        return stop_platform(chosen, steps, keep_database=keep_database)
