"""One spelling for JSON that is hashed, signed or compared (RFC 8785, JSON Canonicalization Scheme)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import rfc8785

from governance.errors import InvalidInput


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Raises InvalidInput for NaN, infinities and integers beyond 2^53."""
    try:
        if _is_plain(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, orjson.JSONEncodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInput(f"This value has no canonical JSON form: {error}") from error


def _is_plain(value: Any) -> bool:
    """Is any sorted, compact JSON of the value canonical already? So it is without floats (whose digits RFC 8785
    chooses), large integers, and names that sort differently as UTF-16: most of what is hashed, and five times as
    quick.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind is int and -(2**53) < value < 2**53


def rendered(moment: datetime) -> str:
    """`2026-11-20T09:30:00.000000Z`: UTC and of one width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def digest_of(value: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


def difference(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """What changed between two JSON values, as a flat list an approver can read. Empty only for equal values.

    Each item is `{"path": "artifacts[0].sha256", "before": ..., "after": ...}`; a missing side is None.
    Array items that carry an `id`, `suiteId` or `name` are matched by it, so that one insertion is one line;
    only where every item has a name of its own, or a copy could hide behind its namesake.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _members(before, after, lambda key: f"{path}.{key}" if path else key)
    if _is_array(before) and _is_array(after):
        left, right = _by_name(before), _by_name(after)
        order: list[dict[str, Any]] = []
        if left is None or right is None:
            left, right = dict(enumerate(before)), dict(enumerate(after))
        elif (stayed := [n for n in left if n in right]) != (now := [n for n in right if n in left]):
            order = [{"path": f"{path}[order]", "before": stayed, "after": now}]
        return _members(left, right, lambda key: f"{path}[{key}]") + order
    same = before == after and isinstance(before, bool) == isinstance(after, bool)  # 1 is not true
    return [] if same else [{"path": path, "before": before, "after": after}]


def _members(before: Mapping[Any, Any], after: Mapping[Any, Any], path: Callable[[Any], str]) -> list[dict[str, Any]]:
    """A member that is missing on one side differs also from None."""
    found: list[dict[str, Any]] = []
    for key in sorted({*before, *after}):
        here = path(key)
        if key in before and key in after:
            found += difference(before[key], after[key], here)
        else:
            found.append({"path": here, "before": before.get(key), "after": after.get(key)})
    return found


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _by_name(items: Sequence[Any]) -> dict[Any, Any] | None:
    """The items by name; None unless each has one that no other has."""
    named: dict[Any, Any] = {}
    for item in items:
        if not isinstance(item, Mapping):
            return None
        name = next((str(item[key]) for key in ("suiteId", "id", "name") if item.get(key)), None)
        if name is None or name in named:
            return None
        named[name] = item
    return named
