"""Latency series whose truth is known, through the real detector and through what else one might do.

Logarithms of a night's figure: Student's t with 4 degrees of freedom at a coefficient of variation of 5 %, neighbouring
nights correlated by .3, and in 4 % of the nights a spike of 20 to 100 % that is gone the next night. A step may come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from governance.regression.series import SeriesState, advance_series

STEP_AT = 60  # night of the step
WITHIN = 21  # nights in which it should be found
WARM = 28  # nights before anybody may judge
OURS = "ours"

Floats = NDArray[np.float64]
Alarms = NDArray[np.bool_]
Rule = Callable[[Floats], Alarms]  # nightly figures to nightly alarms


def series(random: np.random.Generator, nights: int, growth: float) -> Floats:
    noise = random.standard_t(4, nights) * 0.05 / np.sqrt(2)  # the variance of t with 4 degrees is 2
    noise *= np.sqrt(1 - 0.3**2)
    for night in range(1, nights):
        noise[night] += 0.3 * noise[night - 1]
    spikes = np.where(random.random(nights) < 0.04, np.log(random.uniform(1.2, 2.0, nights)), 0.0)
    step = np.where(np.arange(nights) >= STEP_AT, np.log1p(growth), 0.0)
    return np.asarray(100 * np.exp(noise + spikes + step))


def ours(values: Floats) -> Alarms:
    state: SeriesState | None = None
    alarms = np.zeros(values.size, dtype=np.bool_)
    for night, value in enumerate(values.tolist()):
        state, judgement = advance_series(state, value)
        alarms[night] = judgement.alarm
    return alarms


def fixed(limit: float) -> Rule:
    """Above the median of the last 14 nights by a share."""

    def rule(values: Floats) -> Alarms:
        alarms = np.zeros(values.size, dtype=np.bool_)
        for night in range(WARM, values.size):
            alarms[night] = values[night] > np.median(values[night - 14 : night]) * (1 + limit)
        return alarms

    return rule


def three_deviations(values: Floats) -> Alarms:
    """Above the median of the last 28 nights by three robust standard deviations."""
    alarms = np.zeros(values.size, dtype=np.bool_)
    for night in range(WARM, values.size):
        window = values[night - WARM : night]
        centre = np.median(window)
        alarms[night] = values[night] - centre > 3 * 1.4826 * np.median(np.abs(window - centre))
    return alarms


RULES: dict[str, Rule] = {
    OURS: ours,
    "fixed 5 % over 14 nights": fixed(0.05),
    "fixed 20 % over 14 nights": fixed(0.20),
    "three robust deviations": three_deviations,
}


@dataclass(frozen=True, slots=True)
class Found:
    """power: share of steps alarmed for within 21 nights; delay: median nights until then, 1 for the step's own."""

    power: float
    delay: float


def false_episodes(rule: Rule, seed: int, count: int, nights: int = 120) -> float:
    """Beginnings of alarms in 1,000 healthy nights after the reference."""
    random = np.random.default_rng(seed)
    episodes = 0
    for _ in range(count):
        alarms = rule(series(random, nights, 0.0))[WARM:]
        episodes += int(alarms[0]) + int((alarms[1:] & ~alarms[:-1]).sum())
    return 1000 * episodes / (count * (nights - WARM))


def steps_found(rule: Rule, seed: int, count: int, growth: float) -> Found:
    random = np.random.default_rng(seed)
    delays = []
    for _ in range(count):
        alarms = rule(series(random, STEP_AT + WITHIN, growth))[STEP_AT:]
        if alarms.any():
            delays.append(int(np.argmax(alarms)) + 1)
    return Found(len(delays) / count, float(median(delays or [WITHIN + 1])))
