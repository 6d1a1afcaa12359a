"""Nights of simulated fleets through the real judgement, and what it found against what was true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from governance.regression.arrays import Judged, judge
from governance.regression.detector import Drifts
from governance.regression.rows import Rows
from governance.regression.settings import DEFAULT, POINTS
from tests.benchmarks.fleets import Answers, Fleet
from tests.benchmarks.rivals import Rival

OURS = "ours"
Step = Callable[[], None]


@dataclass
class Tally:
    """Healthy and damaged model-nights, and how many of each were called worse."""

    healthy: int = 0
    false: int = 0
    damaged: int = 0
    found: int = 0

    def add(self, called: NDArray[np.bool_], damaged: int) -> None:
        self.damaged += damaged
        self.found += int(called[:damaged].sum())
        self.healthy += called.size - damaged
        self.false += int(called[damaged:].sum())

    @property
    def power(self) -> float:
        return self.found / max(self.damaged, 1)

    @property
    def per_thousand(self) -> float:
        """False alarms in 1,000 healthy model-nights."""
        return 1000 * self.false / max(self.healthy, 1)


def judged(night: Answers, drifts: Drifts) -> Judged:
    return judge(night.night(drifts), DEFAULT.points, DEFAULT)


def begun(fleet: Fleet) -> Drifts:
    return Drifts.begun(fleet.models, DEFAULT)


def healthy(fleet: Fleet, nights: int, rivals: Mapping[str, Rival], step: Step) -> dict[str, Tally]:
    """Nothing is damaged. The detectors go from night to night."""
    tallies = {name: Tally() for name in (OURS, *rivals)}
    drifts = begun(fleet)
    for _ in range(nights):
        night = fleet.night()
        result = judged(night, drifts)
        drifts = result.drifts
        tallies[OURS].add(result.detected, 0)
        for name, rival in rivals.items():
            tallies[name].add(rival(fleet, night), 0)
        step()
    return tallies


@dataclass
class Severities:
    """Of the damaged models that were found: how often severity is more than the true drop deserves.

    by: "bound" (ours), and where the whole model is damaged "lower" (the plain 95 % bound of the overall drop) and
    "point" (the estimate).
    """

    found: int = 0
    whole: int = 0  # of them, those not damaged in one slice only
    overstated: Counter[str] = field(default_factory=Counter)
    given: dict[float, Counter[str]] = field(default_factory=dict)

    def add(self, fleet: Fleet, night: Answers, result: Judged, drop: float, *, sliced: bool) -> None:
        found = np.flatnonzero(result.detected[: fleet.damaged])
        deserved = grade(np.array([drop]))[0]
        self.found += found.size
        self.overstated["bound"] += int((result.severity[found] > deserved).sum())
        counter = self.given.setdefault(drop, Counter())
        counter.update(("none", "low", "medium", "high")[one] for one in result.severity[found])
        if not sliced:
            self.whole += found.size
            rows = Rows.counts(*(one[found] for one in night.whole()))
            self.overstated["point"] += int((grade(rows.drop()) > deserved).sum())
            self.overstated["lower"] += int((grade(rows.interval()[0]) > deserved).sum())

    def share(self, by: str) -> float:
        return self.overstated[by] / max(self.found if by == "bound" else self.whole, 1)


def grade(drop: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 to 3, low to high, of a drop that was found."""
    return 1 + (drop >= POINTS.medium).astype(np.int64) + (drop >= POINTS.high)


def single(
    seed: int,
    size: int,
    drop: float,
    rivals: Mapping[str, Rival],
    *,
    fleets: int,
    models: int,
    part: int | None = None,
    severities: Severities | None = None,
) -> dict[str, Tally]:
    """The first night of a damage, in so many fleets of which 2 % are damaged."""
    tallies = {name: Tally() for name in (OURS, *rivals)}
    for number in range(fleets):
        fleet = Fleet(seed + number, models, (size,))
        night = fleet.night(drop, part)
        result = judged(night, begun(fleet))
        tallies[OURS].add(result.detected, fleet.damaged)
        for name, rival in rivals.items():
            tallies[name].add(rival(fleet, night), fleet.damaged)
        if severities is not None:
            severities.add(fleet, night, result, drop, sliced=part is not None)
    return tallies


@dataclass
class Course:
    """What came of damaged models over the nights after the damage began."""

    power: float
    delay: float | None  # median nights until found, of those found
    per_thousand: float


def course(
    seed: int,
    drop: float,
    ramp: int,
    rivals: Mapping[str, Rival],
    step: Step,
    *,
    models: int,
    fleets: int = 1,
    size: int = 2000,
    before: int = 7,
    after: int = 21,
    damaged: float = 0.02,
) -> dict[str, Course]:
    """The drop is reached linearly over `ramp` nights (1: a step), after some healthy nights since the pin."""
    names = (OURS, *rivals)
    firsts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    tallies = {name: Tally() for name in names}
    for number in range(fleets):
        fleet = Fleet(seed + number, models, (size,), damaged)
        first = {name: np.full(fleet.damaged, np.inf) for name in names}
        drifts = begun(fleet)
        for at in range(1 - before, after + 1):
            night = fleet.night(drop * min(1.0, max(0, at) / ramp))
            result = judged(night, drifts)
            drifts = result.drifts
            calls = {OURS: result.detected, **{name: rival(fleet, night) for name, rival in rivals.items()}}
            for name, called in calls.items():
                tallies[name].add(called, fleet.damaged)
                if at > 0:
                    first[name] = np.where(called[: fleet.damaged], np.minimum(first[name], at), first[name])
            step()
        for name in names:
            firsts[name].append(first[name])
    return {name: _course(np.concatenate(nights), tallies[name]) for name, nights in firsts.items()}


def _course(nights: NDArray[np.float64], tally: Tally) -> Course:
    found = nights[np.isfinite(nights)]
    return Course(found.size / nights.size, float(median(found.tolist())) if found.size else None, tally.per_thousand)
