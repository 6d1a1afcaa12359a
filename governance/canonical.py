"""One spelling for JSON that is hashed, signed or compared (RFC 8785, JSON Canonicalization Scheme)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from governance.errors import InvalidInput


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Raises InvalidInput for NaN, infinities and integers beyond 2^53."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInput(f"This value has no canonical JSON form: {error}") from error


def digest_of(value: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


def difference(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """What changed between two JSON values, as a flat list an approver can read.

    Each item is `{"path": "artifacts[0].sha256", "before": ..., "after": ...}`; a missing side is None.
    Array items that carry an `id`, `suiteId` or `name` are matched by it, so that one insertion is one line.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = sorted(set(before) | set(after))
        return [
            item
            for key in keys
            for item in difference(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        ]
    if _is_array(before) and _is_array(after):
        left, right = _by_name(before), _by_name(after)
        return [
            item
            for key in sorted(set(left) | set(right))
            for item in difference(left.get(key), right.get(key), f"{path}[{key}]")
        ]
    return [] if before == after else [{"path": path, "before": before, "after": after}]


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for index, item in enumerate(items):
        name: Any = index
        if isinstance(item, Mapping):
            name = next((item[key] for key in ("suiteId", "id", "name") if item.get(key)), index)
        named[str(name)] = item
    return named
