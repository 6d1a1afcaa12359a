"""The platform as a flow's process sees it, put together once per process."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from storage.composition import Platform
from storage.settings import Settings, runtime_file


def platform() -> Platform:
    """Two connections are enough for one run: its transactions, and the lease that says that it lives.

    A spare process may be warm long before it has a run. When `up` has chosen other addresses since then, they count.
    """
    return _platform(_settings(_written()))


def warm_up() -> None:
    """Called in a spare process before it has a run: connect, so that the run need not wait for it."""
    with platform().engine.connect():
        pass


def _written() -> int:
    """When `runtime.json` was written, in nanoseconds; 0 where there is none."""
    try:
        return runtime_file(_home()).stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _home() -> Path:
    return Settings.load(os.environ).home


@cache
def _settings(written: int) -> Settings:
    return Settings.load(os.environ)


@cache
def _platform(settings: Settings) -> Platform:
    # What a killed process leaves in here is swept at night (`flows.garbage`); the system's directory is not ours.
    scratch = settings.scratch_directory
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(scratch)
    return Platform(settings, pool_size=2)
