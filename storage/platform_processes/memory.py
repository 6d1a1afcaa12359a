"""How much memory a process and its descendants take."""

from __future__ import annotations

import psutil


def proportional_set_size(process: psutil.Process) -> int:
    """Bytes of the process tree; pages that several processes share are counted once altogether (PSS, Linux).

    Where the system does not say (other systems, another account's process), the resident size is taken
    instead.
    """
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_size, family))


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError, OSError):
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0
