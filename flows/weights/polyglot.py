"""Whether a file can also be read as something that runs code. Runs in the confined process."""

from __future__ import annotations

import pickletools
from typing import BinaryIO

INDEX_END = b"PK\x05\x06"
INDEX_TAIL = 22 + 65535  # bytes in which readers of ZIP search the end of the index
LEAST = 2  # instructions before the stop; a lone stop is the single byte "."


def runs_as_pickle(file: BinaryIO) -> bool:
    """Whether the bytes from the start are pickle instructions up to a stop. Nothing is executed.

    Also true for protocols 0 and 1, which begin with no mark, and whatever follows the stop.
    """
    file.seek(0)
    count = 0
    try:
        for opcode, _, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return count >= LEAST
            count += 1
    except (ValueError, EOFError, UnicodeDecodeError, OverflowError, IndexError):
        return False
    return False


def begins_as_pickle(head: bytes) -> bool:
    """Whether `head`, the start of a longer file, is a dozen pickle instructions in a row, one of which
    imports."""
    names = []
    try:
        for opcode, _, _ in pickletools.genops(head):
            names.append(opcode.name)
            if len(names) == 12:
                break
    except (ValueError, EOFError, UnicodeDecodeError, OverflowError, IndexError):
        pass
    return len(names) >= LEAST and bool({"GLOBAL", "INST", "STACK_GLOBAL", "REDUCE"} & set(names))


def has_zip_index(file: BinaryIO, size: int) -> bool:
    """Whether a reader of ZIP would find an index at the end and a first entry where it points to."""
    start = max(0, size - INDEX_TAIL)
    file.seek(start)
    tail = file.read(INDEX_TAIL)
    at = tail.rfind(INDEX_END)
    while at >= 0:
        record = tail[at : at + 22]
        if len(record) == 22:
            length, offset = int.from_bytes(record[12:16], "little"), int.from_bytes(record[16:20], "little")
            if _points_to_index(file, start + at, length, offset):
                return True
        at = tail.rfind(INDEX_END, 0, at)
    return False


def _points_to_index(file: BinaryIO, end: int, length: int, offset: int) -> bool:
    if 0xFFFFFFFF in (length, offset):  # ZIP64: the index is elsewhere
        return True
    if length == 0:
        return True
    for place in {end - length, offset}:
        if 0 <= place < end:
            file.seek(place)
            if file.read(4) == b"PK\x01\x02":
                return True
    return False
