"""Small checks of JSON values, each of which says which field is wrong. Every function raises InvalidInput."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from governance.errors import InvalidInput
from governance.models import checked_text

NAME_LIMIT = 200  # characters of a column, label or metric


def refused(field: str, why: str) -> InvalidInput:
    return InvalidInput(f"{field} {why}", details={"field": field})


def object_of(field: str, value: Any, known: Collection[str], needed: Collection[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refused(field, "is an object.")
    if strange := sorted(str(key) for key in set(value) - set(known)):
        raise refused(f"{field}.{strange[0][:NAME_LIMIT]}", f"is unknown; there are {', '.join(sorted(known))}.")
    if missing := sorted(set(needed) - set(value)):
        raise refused(f"{field}.{missing[0]}", "is missing.")
    return value


def mapping_of(field: str, value: Any, most: int) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > most or not all(isinstance(key, str) for key in value):
        raise refused(field, f"is an object of at most {most} members.")
    return value


def list_of(field: str, value: Any, most: int, *, least: int = 1) -> list[Any]:
    if not isinstance(value, list | tuple) or not least <= len(value) <= most:
        raise refused(field, f"is a list of {least} to {most} items.")
    return list(value)


def text_of(field: str, value: Any, limit: int = NAME_LIMIT) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refused(field, "is a text that is not empty.")
    return checked_text(field, value, limit=limit)


def texts_of(field: str, value: Any, most: int, limit: int = NAME_LIMIT) -> list[str]:
    found = [text_of(f"{field}[{i}]", item, limit) for i, item in enumerate(list_of(field, value, most))]
    if len(set(found)) < len(found):
        raise refused(field, "names something twice.")
    return found


def number_of(field: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(field, "is a finite number.")
    if not low <= value <= high or abs(value) > 2**53:
        raise refused(field, f"is a number from {low:g} to {high:g}.")
    return value


def whole_of(field: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refused(field, f"is a whole number from {low} to {high}.")
    return value


def limits_of(field: str, value: Any) -> dict[str, float]:
    """{"min", "max"}: one of them or both, and something lies between."""
    found = object_of(field, value, ("min", "max"))
    if not found:
        raise refused(field, "is an object with min, max or both.")
    limits = {name: number_of(f"{field}.{name}", limit) for name, limit in found.items()}
    if limits.get("min", -math.inf) > limits.get("max", math.inf):
        raise refused(field, "leaves nothing between min and max.")
    return limits


def names_of(field: str, value: Any, known: Collection[str]) -> list[str]:
    """One or more of the known names, sorted."""
    found = texts_of(field, value, max(1, len(known)))
    if unknown := sorted(set(found) - set(known)):
        told = ", ".join(sorted(known)) or "none for this task"
        raise refused(field, f"names {unknown[0]!r}; there are {told}.")
    return sorted(found)
