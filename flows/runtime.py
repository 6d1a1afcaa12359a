"""The platform as a flow's process sees it, put together once per process."""

from __future__ import annotations

import tempfile
from functools import cache

from storage.composition import Platform


@cache
def platform() -> Platform:
    """Two connections are enough for one run: its transactions, and the lease that says that it lives."""
    found = Platform.from_environment()
    # What a killed process leaves in here is swept at night (`flows.garbage`); the system's directory is not ours.
    scratch = found.settings.scratch_directory
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(scratch)
    return Platform(found.settings, pool_size=2)


def warm_up() -> None:
    """Called in a spare process before it has a run: connect, so that the run need not wait for it."""
    with platform().engine.connect():
        pass
