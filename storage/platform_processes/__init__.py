"""Starts, stops and looks at the processes of a platform on one machine.

Everything belongs to one state directory ("home"), is found again from there, and outlives whoever started
it. Killing anything at any moment loses nothing: `start_platform` completes what it finds.
"""

from __future__ import annotations

from storage.platform_processes.administrator import read_admin_token
from storage.platform_processes.errors import PlatformError
from storage.platform_processes.home import admin_token_file
from storage.platform_processes.looking import PartStatus, PlatformStatus, demand_platform, look
from storage.platform_processes.runtime import Runtime
from storage.platform_processes.starting import DEFAULT_PORT, Wish, start_platform
from storage.platform_processes.steps import Steps, Unseen
from storage.platform_processes.stopping import stop_platform

__all__ = [
    "DEFAULT_PORT",
    "PartStatus",
    "PlatformError",
    "PlatformStatus",
    "Runtime",
    "Steps",
    "Unseen",
    "Wish",
    "admin_token_file",
    "demand_platform",
    "look",
    "read_admin_token",
    "start_platform",
    "stop_platform",
]
