"""What a benchmark found: figures, and the goals that they are held against. Nothing is asserted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """`kind` says on which side of `bound` the measured value should lie."""

    what: str
    measured: float
    kind: Literal["at least", "at most"]
    bound: float
    unit: str

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.kind == "at least" else self.measured <= self.bound

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "measured": self.measured,
            "goal": f"{self.kind} {self.bound:g} {self.unit}".strip(),
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """`figures`: everything, as JSON. `also`: what the closing table shows besides the goals."""

    figures: dict[str, Any]
    goals: list[Goal] = field(default_factory=list)
    also: dict[str, str] = field(default_factory=dict)


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """n, p50, p95, p99 and max by nearest rank, in the unit of the values."""
    ordered = sorted(values)
    shown = {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], digits)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }
    return {"n": len(ordered), **shown}
