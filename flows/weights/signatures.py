"""First look at a weights file: recognise what is certainly refused and what deserves a closer look.

Only bounded reads and comparisons happen here, no parsing of structures, so this is fit for the flow's own
process.

A file may be several formats at once (a polyglot): readers of ZIP look for an index at the end, readers of
HDF5 at 512, 1024, 2048, …, pickle readers run from the first byte until a stop and ignore what follows. What
is accepted must therefore not be readable as anything else; `flows.weights.polyglot` has the part that reads
the whole file.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from flows.weights.verdict import USE_INSTEAD, Format

HEAD = 64 * 1024
HDF5 = b"\x89HDF\r\n\x1a\n"
RUNS_CODE = "Loading a pickle runs any code its author put in."
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"ZF": "zlib (old joblib)",
    b"\x1f\x9d": "compress",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
}
OPENERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda head: zlib.decompressobj(wbits=31).decompress(head, 4096),
    "zlib": lambda head: zlib.decompressobj().decompress(head, 4096),
    "bzip2": lambda head: bz2.BZ2Decompressor().decompress(head, 4096),
    "xz": lambda head: lzma.LZMADecompressor(memlimit=64 * 1024**2).decompress(head, 4096),
    "lzma": lambda head: lzma.LZMADecompressor(memlimit=64 * 1024**2).decompress(head, 4096),
}


@dataclass(frozen=True, slots=True)
class Impression:
    """`refusal` is final. Without one, `format` names the check that must decide."""

    format: Format
    refusal: str | None = None


def first_impression(file: BinaryIO, size: int) -> Impression:
    """Look at an open file of `size` bytes."""
    if size == 0:
        return Impression("empty", "The file is empty.")
    file.seek(0)
    head = file.read(HEAD)
    if _has_hdf5(file, size):
        return Impression(
            "keras/hdf5",
            f"This is HDF5, as Keras writes it; its Lambda layers carry Python code. {USE_INSTEAD}",
        )
    if _is_tar(head):
        return Impression("tar", f"This is a tar archive, in which old PyTorch files keep pickles. {USE_INSTEAD}")
    if _may_be_safetensors(head):  # first: its header's length may look like any other format's mark
        return Impression("safetensors")
    return _refused_by_magic(head) or _candidate(head)


def starts_as_pickle(head: bytes) -> bool:
    """A pickle of protocol 2 to 5; older ones have no mark (see `flows.weights.polyglot`)."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def _refused_by_magic(head: bytes) -> Impression | None:
    if starts_as_pickle(head):
        return _pickle(head, "a pickle")
    for magic, name in COMPRESSED.items():
        if head.startswith(magic):
            return _compressed(head, name)
    if head.startswith(b"\x93NUMPY"):
        objects = b"|O" in head[:512] or b"'O'" in head[:512]
        found = f"a NumPy array of Python objects, which is a pickle. {RUNS_CODE}" if objects else "a bare NumPy array."
        return Impression("numpy", f"This is {found} {USE_INSTEAD}")
    if head.startswith(b"GGUF"):
        return Impression("gguf", f"This is GGUF, which is not an accepted format here. {USE_INSTEAD}")
    if head[4:8] == b"TFL3":
        return Impression("tflite", f"This is TensorFlow Lite, which is not an accepted format here. {USE_INSTEAD}")
    return None


def _pickle(head: bytes, what: str) -> Impression:
    if b"joblib" in head or b"NumpyArrayWrapper" in head:
        return Impression("joblib", f"This is {what} written by joblib. {RUNS_CODE} {USE_INSTEAD}")
    return Impression("pickle", f"This is {what}. {RUNS_CODE} {USE_INSTEAD}")


def _compressed(head: bytes, name: str) -> Impression:
    try:
        inside = OPENERS[name](head)
    except (KeyError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError):
        inside = b""
    if starts_as_pickle(inside):
        return _pickle(inside, f"a pickle inside {name} compression")
    return Impression(
        "compressed", f"This is {name} compressed data, as joblib and pickle files often are. {USE_INSTEAD}"
    )


def _may_be_safetensors(head: bytes) -> bool:
    return head[4:9] == b"\x00\x00\x00\x00{"


def _candidate(head: bytes) -> Impression:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Impression("zip")
    # A serialised ONNX model begins with its first field, the IR version; 0x08 is no instruction of pickle.
    if head[0] == 0x08:
        return Impression("onnx")
    return Impression("unknown")


def _has_hdf5(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + len(HDF5) <= size:
        file.seek(position)
        if file.read(len(HDF5)) == HDF5:
            return True
        position = max(512, 2 * position)
    return False


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True
