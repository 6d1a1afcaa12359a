"""Byte ranges as `ArtifactStore.read` takes them: first and last byte, both included."""

from __future__ import annotations

from governance.artifact_store import RangeNotSatisfiable


def checked_range(start: int, end: int | None) -> None:
    """Raises RangeNotSatisfiable for a range that no blob of any size can satisfy."""
    if start < 0 or (end is not None and end < start):
        raise RangeNotSatisfiable(f"bytes {start} to {'the last' if end is None else end}")


def resolved(start: int, end: int | None, size: int) -> tuple[int, int]:
    """Offset and number of bytes of the range within a blob of `size` bytes; an end behind it is cut.

    Raises:
        RangeNotSatisfiable: the first byte lies behind the end. The whole of an empty blob is no such case.
    """
    checked_range(start, end)
    if start >= size and not (start == 0 and end is None):
        raise RangeNotSatisfiable(f"byte {start} of a blob of {size} bytes")
    last = size - 1 if end is None else min(end, size - 1)
    return start, last - start + 1
