"""The platform as a flow's process sees it, put together once per process."""

from __future__ import annotations

from functools import cache

from storage.composition import Platform


@cache
def platform() -> Platform:
    """Two connections are enough for one run: its transactions, and the lease that says that it lives."""
    found = Platform.from_environment()
    return Platform(found.settings, pool_size=2)


def warm_up() -> None:
    """Called in a spare process before it has a run: connect, so that the run need not wait for it."""
    with platform().engine.connect():
        pass
