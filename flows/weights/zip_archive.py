"""ZIP archives: what they hold, and skops archives in particular."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from flows.weights.signatures import HDF5, RUNS_CODE
from flows.weights.skops_types import foreign_types
from flows.weights.verdict import USE_INSTEAD, UnsafeError

MOST_ENTRIES = 10_000
LARGEST = 2 * 1024**3  # bytes of all entries together
FREE, RATIO = 16 * 1024**2, 200  # an archive may grow by 16 MiB and, beyond that, 200-fold
SCHEMA_LIMIT = 64 * 1024**2
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".p", ".dill")


def check_zip(path: Path) -> str:
    """Of the archives only skops is accepted; says what was found. Raises UnsafeError."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            _refuse_known(names)
            _check_structure(archive, file, path.stat().st_size)
            if "schema.json" not in names:
                raise UnsafeError(f"This is a ZIP archive without a skops schema. {USE_INSTEAD}", "zip")
            _check_members(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnsafeError(f"This is a ZIP archive that is damaged or cut off ({error}).", "zip") from error
    return _check_skops(path)


def _refuse_known(names: list[str]) -> None:
    """Before the structure, so that the reason speaks of what the file is rather than of its fourth byte."""
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        raise UnsafeError(f"This is a PyTorch file, whose data.pkl is a pickle. {RUNS_CODE} {USE_INSTEAD}", "torch-zip")
    if any(name.lower().endswith(PICKLES) for name in names):
        raise UnsafeError(f"This is a ZIP archive with a pickle inside. {RUNS_CODE} {USE_INSTEAD}", "pickle")
    if any(name.endswith((".h5", ".hdf5")) for name in names):
        raise UnsafeError(
            f"This is a Keras archive, whose Lambda layers carry Python code. {USE_INSTEAD}", "keras/hdf5"
        )
    if names and all(name.endswith(".npy") for name in names):
        raise UnsafeError(f"This is a NumPy archive; its arrays may hold pickles. {USE_INSTEAD}", "numpy")


def _check_structure(archive: zipfile.ZipFile, file: BinaryIO, size: int) -> None:
    """Nothing before, between or after the entries; no repeats, no paths, no bomb. Raises UnsafeError."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if not entries or len(entries) > MOST_ENTRIES:
        raise _refused(f"has {len(entries)} entries")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise _refused("has two entries of the same name")
    if size >= 22:
        file.seek(size - 22)
    if file.read(22)[:4] != b"PK\x05\x06" or archive.comment:
        raise _refused("carries data after its index")
    position, described = 0, False
    for entry in entries:
        if entry.flag_bits & 1 or entry.compress_type not in COMPRESSIONS:
            raise _refused("is encrypted or compressed in an unusual way")
        if entry.is_dir() or "/" in entry.filename or "\\" in entry.filename or entry.filename != entry.orig_filename:
            raise _refused("has folders or odd names")
        _check_gap(entry.header_offset - position, described=described)
        file.seek(entry.header_offset + 26)  # lengths of the name and of the extra field, in the entry's own header
        lengths = file.read(4)
        own = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        position = entry.header_offset + 30 + own + entry.compress_size
        described = bool(entry.flag_bits & 8)
    _check_gap(archive.start_dir - position, described=described)
    total = sum(entry.file_size for entry in entries)
    if total > min(LARGEST, FREE + RATIO * size):
        raise _refused(f"would grow from {size} to {total} bytes")


def _check_gap(gap: int, *, described: bool) -> None:
    """After an entry follows the next one, or a data descriptor of 12 to 24 bytes if the entry announces
    it."""
    if gap != 0 and not (described and 12 <= gap <= 24):
        raise _refused("has overlapping entries, or data that belong to none")


def _check_members(archive: zipfile.ZipFile) -> None:
    """Every entry is read to its checksum, in pieces; arrays must not hold objects. Raises UnsafeError."""
    for entry in archive.infolist():
        name = entry.filename
        if name == "schema.json" and entry.file_size > SCHEMA_LIMIT:
            raise _refused("has a schema beyond reason")
        with archive.open(entry) as member:
            head = member.read(64 * 1024)
            _check_member(name, head)
            while member.read(1024**2):
                pass
        if name.endswith(".npz"):
            _check_nested(archive.read(entry))


def _check_member(name: str, head: bytes) -> None:
    if name.endswith(".npy"):
        _refuse_objects(head)
    elif not name.endswith(("schema.json", ".npz", ".bin")):
        raise _refused(f"has an entry {name[:80]!r}, which skops does not write")
    if head.startswith(HDF5):
        raise UnsafeError("This is a ZIP archive with an HDF5 file inside.", "keras/hdf5")


def _refuse_objects(head: bytes) -> None:
    import numpy as np

    try:
        stream = io.BytesIO(head)
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        dtype = read(stream)[2]
    except (ValueError, EOFError) as error:
        raise _refused("has an array that is not one") from error
    if dtype.hasobject:
        raise UnsafeError(f"An array in this archive holds Python objects, which is a pickle. {RUNS_CODE}", "pickle")


def _check_nested(content: bytes) -> None:
    """A sparse matrix: an archive of arrays in the archive."""
    inner = io.BytesIO(content)
    with zipfile.ZipFile(inner) as archive:
        _check_structure(archive, inner, len(content))
        for entry in archive.infolist():
            with archive.open(entry) as member:
                _refuse_objects(member.read(64 * 1024))


def _check_skops(path: Path) -> str:
    try:
        foreign = foreign_types(path)
    except MemoryError:
        raise
    except Exception as error:  # a schema is foreign input; skops raises whatever its lookups raise
        raise UnsafeError(f"This looks like skops, but its schema is not valid ({error}).", "skops") from error
    if foreign:
        shown = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        raise UnsafeError(f"This is skops, but it would build objects that are not trusted: {shown}.", "skops")
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("schema.json")).get("_skops_version")
    return f"skops (written by version {str(version)[:20]}) of trusted types only."


def _refused(why: str) -> UnsafeError:
    return UnsafeError(f"This is a ZIP archive that {why}.", "zip")
