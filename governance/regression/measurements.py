"""What is handed in for one model and night, and the judgement that comes back.

Everything here can be written as JSON and read back without loss; figures are finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Json = dict[str, Any]
Evidence = Literal["paired", "aggregate"]
Conclusion = Literal["regression", "no_regression", "insufficient_evidence"]
Severity = Literal["none", "low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("none", "low", "medium", "high")

OVERALL, SLOW_DRIFT, CUMULATIVE_LOSS = "overall", "slow_drift", "cumulative_loss"


@dataclass(frozen=True, slots=True)
class Counts:
    """Right and wrong answers to n shared examples. b: baseline right and candidate wrong; c: the reverse."""

    b: int
    c: int
    n: int

    def __post_init__(self) -> None:
        if min(self.b, self.c) < 0 or self.b + self.c > self.n:
            raise ValueError(f"impossible counts: {self}")


@dataclass(frozen=True, slots=True)
class Losses:
    """Differences candidate - baseline of the losses on n shared examples: their mean and SD (n - 1).

    scale: SD of the baseline's losses. Drops are told in this unit.
    """

    n: int
    mean: float
    sd: float
    scale: float

    def __post_init__(self) -> None:
        if self.n < 0 or not all(map(math.isfinite, (self.mean, self.sd, self.scale))) or min(self.sd, self.scale) < 0:
            raise ValueError(f"impossible losses: {self}")


@dataclass(frozen=True, slots=True)
class Totals:
    """Right answers of the candidate and of the baseline where it is not known on which examples."""

    right: int
    n: int
    baseline_right: int
    baseline_n: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.n or not 0 <= self.baseline_right <= self.baseline_n:
            raise ValueError(f"impossible totals: {self}")


Figures = Counts | Losses | Totals

_KINDS: dict[str, type[Figures]] = {"counts": Counts, "losses": Losses, "totals": Totals}
_NAMES: dict[type[Figures], str] = {kind: name for name, kind in _KINDS.items()}


def figures_to_json(figures: Figures) -> Json:
    """E.g. `{"kind": "counts", "b": 3, "c": 1, "n": 500}`."""
    return {"kind": _NAMES[type(figures)], **asdict(figures)}


def figures_from_json(value: Mapping[str, Any]) -> Figures:
    return _KINDS[value["kind"]](**{name: item for name, item in value.items() if name != "kind"})


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the detector of slow drift remembers of the nights since the pin (`detector`).

    evidence: one value for each rate; nights: how many advanced it; recent: figures of the last of them (at most 7).
    """

    evidence: tuple[float, ...]
    nights: int
    recent: tuple[Figures, ...]

    def to_json(self) -> Json:
        return {
            "evidence": list(self.evidence),
            "nights": self.nights,
            "recent": [figures_to_json(one) for one in self.recent],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DriftState:
        return cls(
            evidence=tuple(map(float, value["evidence"])),
            nights=value["nights"],
            recent=tuple(map(figures_from_json, value["recent"])),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model version on one suite version, against one baseline.

    key: unique in its night, e.g. "<version id>:<suite id>".
    overall, slices, guard: of one kind; totals exactly where evidence is "aggregate".
    fresh: the examples or the model changed since the night before; only then does the detector advance.
    guard: against the best approved version of the last 90 days.
    detector: its state after the night before; None right after the pin.
    breached: an absolute threshold is breached with its interval entirely beyond.
    """

    key: str
    evidence: Evidence
    overall: Figures
    slices: Mapping[str, Figures]
    fresh: bool
    guard: Figures | None
    detector: DriftState | None
    breached: bool

    def __post_init__(self) -> None:
        kind = type(self.overall)
        if (self.evidence == "aggregate") != (kind is Totals):
            raise ValueError(f"{self.key}: {self.evidence} evidence cannot be {kind.__name__}")
        others = [*self.slices.values(), *([self.guard] if self.guard is not None else ())]
        if self.detector is not None:
            others += self.detector.recent
        if any(type(one) is not kind for one in others):
            raise ValueError(f"{self.key}: all figures must be {kind.__name__}")

    def to_json(self) -> Json:
        return {
            "key": self.key,
            "evidence": self.evidence,
            "overall": figures_to_json(self.overall),
            "slices": {name: figures_to_json(one) for name, one in self.slices.items()},
            "fresh": self.fresh,
            "guard": None if self.guard is None else figures_to_json(self.guard),
            "detector": None if self.detector is None else self.detector.to_json(),
            "breached": self.breached,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measurement:
        guard, detector = value["guard"], value["detector"]
        return cls(
            key=value["key"],
            evidence=value["evidence"],
            overall=figures_from_json(value["overall"]),
            slices={name: figures_from_json(one) for name, one in value["slices"].items()},
            fresh=value["fresh"],
            guard=None if guard is None else figures_from_json(guard),
            detector=None if detector is None else DriftState.from_json(detector),
            breached=value["breached"],
        )


@dataclass(frozen=True, slots=True)
class SliceJudgement:
    """One slice: its drop with a 95 % interval, and the one-sided p of "it is not worse"."""

    name: str
    n: int
    drop: float
    lower: float
    upper: float
    p: float
    detected: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one night says about one measurement.

    The unit of drops and bounds is a share of the examples (0.01 is one point) for right and wrong answers, and the
    SD of the baseline's losses for losses. A positive drop says that the candidate is worse.

    causes: among "overall", "slice:<name>", "slow_drift", "cumulative_loss"; empty unless detected.
    p: one-sided, of the overall comparison. q: the smallest rate of false discoveries at which tonight's comparisons
    (overall, slices, guard) are a finding; slow drift has no q, so a drift alone leaves it above the limit.
    lower, upper: 95 % interval of the overall drop.
    bound: lower bound of the largest detected drop, at the level that counts for selected findings; None unless
    detected. Severity is read off this.
    minimum_detectable_effect: see `arrays`; above the least drop that counts, finding nothing is no all-clear.
    detector: the state after this night; None for aggregate evidence.
    """

    key: str
    conclusion: Conclusion
    detected: bool
    severity: Severity
    causes: tuple[str, ...]
    evidence: str
    n: int
    p: float
    q: float
    drop: float
    lower: float
    upper: float
    bound: float | None
    minimum_detectable_effect: float
    slices: tuple[SliceJudgement, ...]
    detector: DriftState | None

    def to_json(self) -> Json:
        value = asdict(self)
        value["causes"] = list(self.causes)
        value["slices"] = [asdict(one) for one in self.slices]
        value["detector"] = None if self.detector is None else self.detector.to_json()
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Judgement:
        detector = value["detector"]
        return cls(
            **{
                **value,
                "causes": tuple(value["causes"]),
                "slices": tuple(SliceJudgement(**one) for one in value["slices"]),
                "detector": None if detector is None else DriftState.from_json(detector),
            }
        )
