"""The header of a safetensors file, checked as strictly as the format is defined.

Layout (https://github.com/huggingface/safetensors, "Format"): 8 bytes little-endian length N, N bytes of
JSON {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {text: text}}, then the data.
The tensors must fill the data without holes or overlaps, so that nothing else fits in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flows.weights.polyglot import has_zip_index, runs_as_pickle
from flows.weights.verdict import UnsafeError

HEADER_LIMIT = 100_000_000  # bytes, the reference implementation's
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2FNUZ": 8,
    "F8_E4M3FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def check_safetensors(path: Path) -> str:
    """What was found. Raises UnsafeError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(HEADER_LIMIT, size - 8):
            raise _refused(f"its header claims {length} bytes")
        spans = _spans(_parsed(file.read(length)))
        _check_contiguous(spans, size - 8 - length)
        if runs_as_pickle(file):
            raise UnsafeError("The file is safetensors and at the same time a pickle.", "pickle")
        if has_zip_index(file, size):
            raise UnsafeError("The file is safetensors and at the same time a ZIP archive.", "zip")
    return f"safetensors with {len(spans)} tensors; it holds numbers only."


def _refused(why: str) -> UnsafeError:
    return UnsafeError(f"This looks like safetensors, but {why}.", "safetensors")


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(header.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(f"its header is not JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise _refused("its header is not a JSON object")
    return parsed


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is repeated")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _spans(header: dict[str, Any]) -> list[tuple[int, int]]:
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise _refused("its metadata is not text")
    return [_span(name, entry) for name, entry in header.items()]


def _span(name: str, entry: Any) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _refused(f"tensor {name[:80]!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS or not _are_counts(shape) or not _are_counts(offsets):
        raise _refused(f"tensor {name[:80]!r} has an unknown dtype, shape or place")
    if len(offsets) != 2:
        raise _refused(f"tensor {name[:80]!r} has {len(offsets)} data offsets")
    bits = BITS[dtype]
    for extent in shape:
        bits *= extent
        if bits > 2**66:
            raise _refused(f"tensor {name[:80]!r} is impossibly large")
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise _refused(f"tensor {name[:80]!r} does not fill its place")
    return offsets[0], offsets[1]


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and len(values) < 65 and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _check_contiguous(spans: list[tuple[int, int]], size: int) -> None:
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise _refused("its tensors overlap or leave holes")
        position = end
    if position != size:
        raise _refused(f"its tensors take {position} bytes and the file has {size}: it is cut off or carries more")
