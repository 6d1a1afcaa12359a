"""What goes wrong for reasons that a person can mend."""

from __future__ import annotations


class PlatformError(Exception):
    """The platform, or a part of it, cannot be started, stopped or asked. The message says why and what to
    do.
    """


class AbandonedError(PlatformError):
    """Not pursued any further, because another part has failed already."""
