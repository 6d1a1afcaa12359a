"""Small drawings as numbers: where in a box of a given width things lie. The templates draw them as SVG."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 240.0
_EDGE = 8.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Positions in [0, WIDTH]: an estimate with its interval, no difference, and the margin that is tolerated."""

    low: float
    high: float
    point: float
    zero: float
    margin: float
    says: str


@dataclass(frozen=True, slots=True)
class Level:
    """Positions in [0, WIDTH]: a value between 0 and 1, and its thresholds."""

    value: float
    limits: tuple[float, ...]
    says: str


def interval(low: float, high: float, point: float, margin: float) -> Interval:
    """All four are of one unit; a positive difference means worse."""
    left, right = min(low, 0.0, -margin), max(high, 0.0, margin)
    room = (right - left) / 8 or 0.5  # on both sides, so that one sees where the margin ends
    left, right = left - room, right + room
    span = right - left

    def at(value: float) -> float:
        return round(_EDGE + (value - left) / span * (WIDTH - 2 * _EDGE), 1)

    says = f"between {low * 100:+.2f} and {high * 100:+.2f}, margin {margin * 100:.2f}"
    return Interval(at(low), at(high), at(point), at(0.0), at(margin), says)


def level(value: float, limits: tuple[float, ...]) -> Level | None:
    """None for a figure that is no share of one, such as a mean error."""
    if not all(0.0 <= number <= 1.0 for number in (value, *limits)):
        return None

    def at(number: float) -> float:
        return round(_EDGE + number * (WIDTH - 2 * _EDGE), 1)

    wanted = ", ".join(f"{limit:g}" for limit in limits)
    return Level(at(value), tuple(at(limit) for limit in limits), f"{value:.4g}, threshold {wanted or 'none'}")
